"""The frame reader: what it takes, and that nothing else gets past it."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hxgrid.bridge import frames
from hxgrid.bridge.frames import Fields, Kind, make_frame, pack_text, read_frame
from hxgrid.errors import RemoteProtocolError

NATIVE = Path(__file__).parents[3] / "native"


def frame_bytes(kind: int, head: bytes = b"", payload: bytes = b"", call: int = 0) -> bytes:
    return frames.HEADER.pack(kind, call, len(head), len(payload)) + head + payload


def test_a_frame_comes_back_as_it_was_sent() -> None:
    source = io.BytesIO(frame_bytes(Kind.RUN, b"head", b"payload", 7) + frame_bytes(Kind.CLOSE))
    assert read_frame(source) == (Kind.RUN, 7, b"head", b"payload")
    assert read_frame(source) == (Kind.CLOSE, 0, b"", b"")
    assert read_frame(source) is None


@pytest.mark.parametrize(
    "raw",
    [
        frame_bytes(0),
        frame_bytes(63),
        frame_bytes(Kind.HELLO),  # the bridge's own
        frame_bytes(Kind.CANCEL, payload=b"x"),
        frames.HEADER.pack(Kind.OPEN, 0, frames.MAX_HEAD_BYTES + 1, 0),
        frames.HEADER.pack(Kind.OPEN, 0, 0xFFFFFFFF, 0xFFFFFFFF),
        frame_bytes(Kind.RUN, b"head", b"payload")[:-1],
        frame_bytes(Kind.RUN, b"head")[:18],
        b"\x01\x00",
    ],
)
def test_what_is_no_frame_is_refused(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_frame(io.BytesIO(raw))


class Counting(io.BytesIO):
    """Notes the largest read that was asked for."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.largest = max(self.largest, size or 0)
        return super().read(size)


@given(st.binary(max_size=200))
@example(struct.pack("<IIII", 1, 0, 0xFFFFFFFF, 0))
def test_any_bytes_are_frames_or_an_error_and_no_giant_head_is_read(raw: bytes) -> None:
    source = Counting(raw)
    try:
        while read_frame(source) is not None:
            pass
    except RemoteProtocolError:
        pass
    if len(raw) < 16 or struct.unpack_from("<I", raw)[0] not in frames.WITH_PAYLOAD:
        assert source.largest <= frames.MAX_HEAD_BYTES or len(raw) > 16


@given(st.binary(max_size=100))
def test_fields_of_any_head_are_read_or_refused(head: bytes) -> None:
    fields = Fields(head)
    try:
        fields.u32()
        fields.text()
        fields.f64()
        fields.u64()
    except RemoteProtocolError:
        pass


@given(st.text())
def test_a_text_comes_back(text: str) -> None:
    encodable = text.encode("utf-8", "replace").decode()
    assert Fields(pack_text(text)).text() == encodable


def test_a_name_that_is_no_utf_8_keeps_its_bytes() -> None:
    raw = b"\xff\xfe/x"
    assert (
        Fields(struct.pack("<I", len(raw)) + raw).text().encode("utf-8", "surrogateescape") == raw
    )


def test_make_frame_leaves_room_for_the_payload() -> None:
    assert make_frame(Kind.RESULT, 3, b"ab", 5) == struct.pack("<IIII", 68, 3, 2, 5) + b"ab"


def test_the_c_header_has_the_same_numbers() -> None:
    text = (NATIVE / "src" / "user" / "frames.h").read_text("utf-8")
    found = {name: int(number) for name, number in re.findall(r"HXG_FRAME_(\w+) = (\d+)", text)}
    assert found == {kind.name: kind.value for kind in Kind}
    assert f"HXG_PROTOCOL = {frames.PROTOCOL_VERSION}" in text
    for prefix, flags in (("RUN_FLAG", frames.RunFlag), ("OPEN_FLAG", frames.OpenFlag)):
        for flag in flags:
            assert re.search(rf"HXG_{prefix}_{flag.name} = {flag.value}\b", text)
    for form in frames.Answer:
        assert re.search(rf"HXG_ANSWER_{form.name} = {form.value}\b", text)


def test_the_public_header_has_the_same_statuses() -> None:
    text = (NATIVE / "include" / "hxgrid" / "hxgrid.h").read_text("utf-8")
    found = {name: int(number) for name, number in re.findall(r"HXG_E_(\w+) = (\d+)", text)}
    for status in frames.Status:
        if status:
            assert found[status.name] == status.value
    shared = (NATIVE / "src" / "task" / "hxg_host.h").read_text("utf-8")
    for name, number in re.findall(r"HXG_E_(\w+) = (\d+)", shared):
        assert found.get(name, int(number)) == int(number)
        assert name in found or int(number) not in found.values()
