"""Streams of the task library, called slot by slot through their interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.native import building
from tests.native.driver import ffi

STREAM_IID = (0x762EFFFE).to_bytes(4, "little") + bytes(12)
UNKNOWN_IID = bytes.fromhex("0000000000000000C000000000000046")
AGENT_IID = (0x85343215).to_bytes(4, "little") + bytes(12)
S_OK, NO_INTERFACE = 0, -0x7FFFBFFE

_NUMBER = st.integers(0, 3000)
_CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.binary(max_size=1500)),
        st.tuples(st.just("read"), _NUMBER),
        st.tuples(st.just("seek"), _NUMBER),
        st.tuples(st.just("skip"), _NUMBER),
        st.tuples(st.just("set_length"), _NUMBER),
        st.tuples(st.just("grow_to_pos"), st.one_of(st.just(-1), _NUMBER)),
        st.tuples(st.sampled_from(["clear", "fast_clear", "compact"]), st.none()),
    ),
    max_size=60,
)


class Model:
    """What a stream is meant to do, as simply as it can be said."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.position = 0

    def write(self, data: bytes) -> None:
        if data:
            self._pad_to(self.position)
            self.data[self.position : self.position + len(data)] = data
            self.position += len(data)

    def read(self, count: int) -> bytes:
        piece = bytes(self.data[self.position : self.position + count])
        self.position += len(piece)
        return piece

    def seek(self, position: int) -> None:
        self.position = position

    def skip(self, count: int) -> None:
        self.position += count

    def set_length(self, length: int) -> None:
        self._resize(length)
        self.position = min(self.position, length)

    def grow_to_pos(self, size: int) -> None:
        self._resize(self.position if size == -1 else size)

    def clear(self, _: None) -> None:
        self.data.clear()
        self.position = 0

    fast_clear = clear

    def compact(self, _: None) -> None:
        """Nothing that can be seen."""

    def _resize(self, length: int) -> None:
        del self.data[length:]
        self._pad_to(length)

    def _pad_to(self, length: int) -> None:
        self.data.extend(bytes(max(0, length - len(self.data))))


class Stream:
    """The same calls, made through the table of functions."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._table = stream.vtbl

    def write(self, data: bytes) -> None:
        self._table.Write(self._stream, data, len(data))

    def read(self, count: int) -> bytes:
        buffer = ffi.new("uint8_t[]", count or 1)
        got = self._table.Read(self._stream, buffer, count)
        return bytes(ffi.buffer(buffer, got))

    def seek(self, position: int) -> None:
        self._table.Seek(self._stream, position)

    def skip(self, count: int) -> None:
        self._table.Skip(self._stream, count)

    def set_length(self, length: int) -> None:
        self._table.SetLength(self._stream, length)

    def grow_to_pos(self, size: int) -> None:
        self._table.GrowToPos(self._stream, size)

    def clear(self, _: None) -> None:
        self._table.Clear(self._stream)

    def fast_clear(self, _: None) -> None:
        self._table.FastClear(self._stream)

    def compact(self, _: None) -> None:
        self._table.Compact(self._stream)

    @property
    def data(self) -> bytes:
        length = self._table.GetLength(self._stream)
        return bytes(ffi.buffer(self._table.GetBasePointer(self._stream), length))

    @property
    def position(self) -> int:
        return int(self._table.GetPos(self._stream))


def make(lib: Any, data: bytes = b"") -> Any:
    made = ffi.new("HxStream **")
    assert lib.hxg_stream_create_from(data, len(data), made) == lib.HXG_OK
    return made[0]


def mapped(lib: Any, path: Path) -> Any:
    made = ffi.new("HxStream **")
    assert lib.hxg_stream_map(str(path).encode(), made) == lib.HXG_OK
    return made[0]


@given(start=st.binary(max_size=200), calls=_CALLS)
@settings(max_examples=300, deadline=None)
def test_any_calls_do_what_the_model_does(
    start: bytes, calls: list[tuple[str, Any]], lib: Any
) -> None:
    raw = make(lib, start)
    stream, model = Stream(raw), Model(start)
    for name, argument in calls:
        assert getattr(stream, name)(argument) == getattr(model, name)(argument), name
        assert stream.data == model.data
        assert stream.position == model.position
    assert lib.hxg_stream_fault(raw) == lib.HXG_OK
    lib.hxg_stream_release(raw)


@given(data=st.binary(min_size=1, max_size=300), calls=_CALLS)
@settings(max_examples=100, deadline=None)
def test_a_read_only_stream_reads_and_moves_but_never_changes(
    data: bytes, calls: list[tuple[str, Any]], lib: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("data") / "blob"
    path.write_bytes(data)
    raw = mapped(lib, path)
    stream, model = Stream(raw), Model(data)
    is_spoilt = False
    for name, argument in calls:
        answer = getattr(stream, name)(argument)
        if name in {"read", "seek", "skip"}:
            assert answer == getattr(model, name)(argument)
        else:
            is_spoilt = True
        assert stream.data == data
        assert stream.position == model.position
    assert lib.hxg_stream_fault(raw) == (lib.HXG_E_READ_ONLY if is_spoilt else lib.HXG_OK)
    assert path.read_bytes() == data
    lib.hxg_stream_release(raw)


def test_the_version_is_a_value_and_only_data_are_read_only(lib: Any, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"some")
    plain, data = make(lib), mapped(lib, path)
    assert plain.vtbl.GetVersion(plain) == 0x00010000
    assert (plain.vtbl.isReadOnly(plain), data.vtbl.isReadOnly(data)) == (0, 1)
    lib.hxg_stream_release(plain)
    lib.hxg_stream_release(data)


def test_the_current_pointer_is_the_base_plus_the_position(lib: Any) -> None:
    stream = make(lib, b"0123456789" * 20)
    stream.vtbl.Seek(stream, 150)
    base, current = stream.vtbl.GetBasePointer(stream), stream.vtbl.GetCurPointer(stream)
    assert int(ffi.cast("uintptr_t", current)) - int(ffi.cast("uintptr_t", base)) == 150
    lib.hxg_stream_release(stream)


def test_an_empty_file_is_an_empty_stream(lib: Any, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    stream = mapped(lib, path)
    assert Stream(stream).data == b""
    lib.hxg_stream_release(stream)


def test_mapped_data_outlive_their_file(lib: Any, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"kept")
    stream = mapped(lib, path)
    path.unlink()
    assert Stream(stream).data == b"kept"
    lib.hxg_stream_release(stream)


def test_a_file_that_is_not_there_is_named(lib: Any, tmp_path: Path) -> None:
    made = ffi.new("HxStream **")
    status = lib.hxg_stream_map(str(tmp_path / "nowhere").encode(), made)
    assert status == lib.HXG_E_SYSTEM
    assert b"nowhere" in ffi.string(lib.hxg_last_error())


def test_no_stream_passes_4_gib(lib: Any) -> None:
    stream = make(lib, b"x")
    stream.vtbl.Seek(stream, 0xFFFFFFFF)
    stream.vtbl.Write(stream, b"y", 1)
    assert lib.hxg_stream_fault(stream) == lib.HXG_E_LIMIT
    assert stream.vtbl.GetLength(stream) == 1
    lib.hxg_stream_release(stream)


def test_query_interface_knows_its_own_id_only(lib: Any) -> None:
    stream = make(lib)
    found = ffi.new("void **", ffi.cast("void *", 1))
    for iid in (STREAM_IID, UNKNOWN_IID):
        assert stream.vtbl.QueryInterface(stream, iid, found) == S_OK
        assert found[0] == stream
        assert stream.vtbl.Release(stream) == 1
    assert stream.vtbl.QueryInterface(stream, AGENT_IID, found) == NO_INTERFACE
    assert found[0] == ffi.NULL
    lib.hxg_stream_release(stream)


def test_add_ref_and_release_give_the_new_count(lib: Any) -> None:
    stream = make(lib)
    assert stream.vtbl.AddRef(stream) == 2
    assert stream.vtbl.AddRef(stream) == 3
    assert [stream.vtbl.Release(stream) for _ in range(3)] == [2, 1, 0]


def test_h7_references_counted_by_eight_threads_add_up(lib: Any, tmp_path: Path) -> None:
    counting = ffi.dlopen(str(building.c_module(tmp_path, "counting.c")))
    stream = make(lib)
    assert counting.count_from_threads(stream, 8, 1_000_000) == 1
    lib.hxg_stream_release(stream)


def test_many_small_writes_cost_the_same_each(lib: Any) -> None:
    # Two megabytes in pieces of eight bytes: growing by steps would copy gigabytes, and the time
    # limit of the test would end it.
    stream = make(lib)
    for _ in range(250_000):
        stream.vtbl.Write(stream, b"12345678", 8)
    assert stream.vtbl.GetLength(stream) == 2_000_000
    stream.vtbl.Compact(stream)
    assert Stream(stream).data == b"12345678" * 250_000
    lib.hxg_stream_release(stream)


def test_nothing_accepts_null(lib: Any) -> None:
    data, size = ffi.new("uint8_t **"), ffi.new("uint64_t *")
    assert lib.hxg_stream_create(ffi.NULL) == lib.HXG_E_ARGUMENT
    assert lib.hxg_stream_map(ffi.NULL, ffi.NULL) == lib.HXG_E_ARGUMENT
    assert lib.hxg_stream_bytes(ffi.NULL, data, size) == lib.HXG_E_ARGUMENT
    assert lib.hxg_stream_fault(ffi.NULL) == lib.HXG_E_ARGUMENT
    lib.hxg_stream_release(ffi.NULL)
