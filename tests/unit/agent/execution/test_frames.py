from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxgrid.wire.messages import AttemptFlag
from hxgrid_agent.execution import frames
from hxgrid_agent.execution.frames import FrameError, FrameReader, Result, Run

RUN: Run = (9, 7, 0, 5, b"hello")


def result(
    *, outcome: int = 0, flags: int = 0, size: int = 5, raw: int | None = None, payload: bytes = b""
) -> Result:
    raw_bytes = size if raw is None else raw
    return (9, outcome, flags, size, raw_bytes, 1.5, 2.5, 1023, payload or bytes(min(size, 1000)))


RESULT = result()
FILE = (9, 0, frames.IN_FILE, 10**9, 10**9, 1.5, 2.5, 0, b"")


def body_of(frame: bytes) -> bytes:
    ((_, body),) = FrameReader().feed(frame)
    return body


def test_attempts_survive_the_way() -> None:
    runs: list[Run] = [RUN, (10, 7, 0, 0, b""), (2**63, 2**31, 255, 2**40, b"path")]
    assert frames.read_run(body_of(frames.pack_run(runs))) == runs


def test_results_survive_the_way() -> None:
    results = [RESULT, FILE, RESULT]
    assert frames.read_results(body_of(frames.pack_results(results)), 100, 7) == results


def test_serials_survive_the_way() -> None:
    assert frames.read_serials(body_of(frames.pack_serials(frames.TAKE_BACK, [1, 2**60]))) == [
        1,
        2**60,
    ]


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 50), min_size=1))
def test_frames_are_found_whatever_the_pieces(bodies: list[bytes], sizes: list[int]) -> None:
    data = b"".join(frames.pack_frame(kind, body) for kind, body in enumerate(bodies))
    reader, found, start, turn = FrameReader(), [], 0, 0
    while start < len(data):
        size = sizes[turn % len(sizes)]
        found += reader.feed(data[start : start + size])
        start, turn = start + size, turn + 1
    assert found == list(enumerate(bodies))


def test_a_frame_over_the_limit_is_refused_before_it_is_there() -> None:
    with pytest.raises(FrameError, match="over the limit"):
        FrameReader(1000).feed(struct.pack("<IB", 1001, frames.RESULTS))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xff\xff\xff",
        body_of(frames.pack_results([RESULT]))[:-1],
        body_of(frames.pack_results([RESULT])) + b"x",
        body_of(frames.pack_results([result(outcome=200)])),
        body_of(frames.pack_results([result(flags=4)])),
        body_of(frames.pack_results([result(size=101)])),
        body_of(frames.pack_results([result(raw=6)])),
    ],
    ids=["empty", "count", "short", "long", "outcome", "flags", "large", "raw"],
)
def test_results_that_contradict_themselves_are_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        frames.read_results(body, 100, 7)


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff"])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        frames.read_json(body)


def test_the_process_uses_the_flags_of_the_wire() -> None:
    assert int(AttemptFlag.COMPRESSED) == frames.COMPRESSED
    assert not frames.IN_FILE & sum(AttemptFlag)
