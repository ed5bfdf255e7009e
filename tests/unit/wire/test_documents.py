"""The JSON messages: sizes and schema before use, unknown fields and numbers harmless."""

from __future__ import annotations

import gc
import json
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxgrid.errors import RemoteProtocolError
from hxgrid.wire.documents import (
    BY_NUMBER,
    pack_document,
    pack_reason,
    read_document,
    read_protocol,
    read_reason,
)
from hxgrid.wire.limits import MAX_JSON_BYTES
from hxgrid.wire.messages import BlobRequest, Document, Protocol, Reason, StatusReceived
from tests.unit.wire.examples import BOOT, DOCUMENTS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)
def test_a_document_comes_out_as_it_went_in(document: Document) -> None:
    assert read_document(pack_document(document)[0]) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)
def test_unknown_fields_are_ignored(document: Document) -> None:
    frame = pack_document(document)[0]
    fields = json.loads(frame[1:]) | {"invented_later": {"x": 1}}
    assert read_document(frame[:1] + json.dumps(fields).encode()) == document


def test_an_unknown_number_is_none() -> None:
    assert read_document(b"\xff{}") is None


@given(st.sampled_from(sorted(BY_NUMBER)), st.binary(max_size=300))
def test_noise_is_refused(number: int, noise: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_document(bytes((number,)) + b"?" + noise)


@given(st.sampled_from(DOCUMENTS), st.data())
def test_a_field_of_any_other_kind_is_refused_or_read(
    document: Document, data: st.DataObject
) -> None:
    frame = pack_document(document)[0]
    fields = json.loads(frame[1:])
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(JSON)
    try:
        read = read_document(frame[:1] + json.dumps(fields).encode())
    except RemoteProtocolError:
        return
    # What is let in can be passed on: no peer can make us send what others reject.
    assert read is not None
    assert read_document(pack_document(read)[0]) == read


@pytest.mark.parametrize("size", [0, MAX_JSON_BYTES + 2])
def test_the_size_is_checked_first(size: int) -> None:
    with pytest.raises(RemoteProtocolError, match="outside"):
        read_document(bytes((49,)).ljust(size, b" ")[:size])


def test_numbers_without_a_value_are_refused() -> None:
    fields = '{"free_cpu": 1e999, "free_memory_bytes": 0}'
    with pytest.raises(RemoteProtocolError, match="finite"):
        read_document(bytes((34,)) + fields.encode())


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        read_document(bytes((49,)) + b'{"x":' + b"[" * 100_000)


def test_the_protocol_version_is_read_from_documents_of_another_time() -> None:
    frame = bytes((48,)) + b'{"protocol": {"major": 99, "minor": 2}, "other": "fields"}'
    assert read_protocol(frame) == Protocol(major=99, minor=2)
    assert read_protocol(pack_document(StatusReceived(boot_id=BOOT))[0]) == Protocol()
    for nonsense in (b"", b"\x30", b"\x30{}", b"\x30[1]", b'\x30{"protocol": 3}', b"\x30\xff"):
        assert read_protocol(nonsense) is None


def test_a_reason_comes_out_as_it_went_in() -> None:
    reason = Reason(text="it failed", exception="ValueError", traceback="...", output="out")
    assert read_reason(pack_reason(reason)) == reason


def test_an_empty_reason_says_nothing() -> None:
    assert read_reason(b"") == Reason(text="")


@pytest.mark.parametrize("payload", [b"{}", b"\xff", b" " * (MAX_JSON_BYTES + 1)])
def test_a_malformed_reason_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_reason(payload)


def test_what_peers_say_is_not_kept_in_memory() -> None:
    chance = random.Random(1)
    said = [
        BlobRequest(
            request=1,
            digest=f"{chance.getrandbits(256):064x}",
            ticket=f"{chance.getrandbits(128):032x}",
        )
        for _ in range(2000)
    ]
    frames = [pack_document(each)[0] for each in said]
    read_document(frames[0])
    gc.collect()
    tracemalloc.start()
    try:
        for frame in frames:
            read_document(frame)
        gc.collect()
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 10 * len(frames)
