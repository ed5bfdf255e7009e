"""Stream: what reading, writing and seeking do, and what they refuse."""

from __future__ import annotations

import array
import io
import mmap
import os
import pickle
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hxgrid.errors import HxGridError, SessionClosed, StoreError
from hxgrid.streams import Stream, StreamClosed, StreamEnd, StreamInUse, StreamReadOnly


def test_a_new_stream_is_empty_and_at_position_0() -> None:
    stream = Stream()
    assert (len(stream), stream.tell(), stream.getvalue(), stream.readonly) == (0, 0, b"", False)


def test_initial_data_is_read_from_the_start() -> None:
    stream = Stream(b"hello")
    assert stream.read(2) == b"he"
    assert stream.read() == b"llo"
    assert stream.read() == b""


def test_writing_overwrites_and_extends() -> None:
    stream = Stream(b"hello")
    stream.seek(3)
    assert stream.write(b"p me") == 4
    assert stream.getvalue() == b"help me"
    assert stream.tell() == 7


def test_writing_past_the_end_fills_the_gap_with_zeroes() -> None:
    stream = Stream(b"ab")
    stream.seek(5)
    stream.write(b"c")
    assert stream.getvalue() == b"ab\0\0\0c"


def test_writing_nothing_past_the_end_changes_nothing() -> None:
    stream = Stream(b"ab")
    stream.seek(5)
    assert stream.write(b"") == 0
    assert stream.getvalue() == b"ab"


def test_reading_beyond_the_end_gives_nothing_and_moves_nothing() -> None:
    stream = Stream(b"ab")
    assert stream.seek(100) == 100
    assert stream.read(3) == b""
    assert stream.readinto(bytearray(3)) == 0
    assert stream.tell() == 100


def test_seeking_knows_start_position_and_end() -> None:
    stream = Stream(b"0123456789")
    assert stream.seek(4) == 4
    assert stream.seek(2, os.SEEK_CUR) == 6
    assert stream.seek(-1, os.SEEK_END) == 9
    assert stream.read() == b"9"


def test_seeking_before_the_start_is_refused_and_moves_nothing() -> None:
    stream = Stream(b"ab")
    stream.seek(1)
    with pytest.raises(ValueError, match="cannot seek to -1"):
        stream.seek(-2, os.SEEK_CUR)
    with pytest.raises(ValueError, match="whence"):
        stream.seek(0, 3)
    assert stream.tell() == 1


@pytest.mark.parametrize(("size", "content"), [(1, b"a"), (3, b"abc"), (5, b"abc\0\0")])
def test_truncate_sets_the_length_and_keeps_the_position(size: int, content: bytes) -> None:
    stream = Stream(b"abc")
    stream.seek(2)
    assert stream.truncate(size) == size
    assert stream.getvalue() == content
    assert stream.tell() == 2


def test_truncate_without_a_size_cuts_at_the_position() -> None:
    stream = Stream(b"abc")
    stream.seek(1)
    stream.truncate()
    assert stream.getvalue() == b"a"
    with pytest.raises(ValueError, match="-1 bytes"):
        stream.truncate(-1)


def test_the_data_it_was_made_from_never_changes() -> None:
    original = bytearray(b"abc")
    stream = Stream(original)
    stream.write(b"xyz")
    assert original == b"abc"
    original[0] = 0
    assert stream.getvalue() == b"xyz"


def test_bytes_are_taken_in_and_given_out_without_a_copy() -> None:
    data = os.urandom(100)
    stream = Stream(data)
    assert stream.read() is data
    assert stream.getvalue() is data
    assert stream.getbuffer().obj is data


def test_a_readonly_stream_shows_any_buffer_without_a_copy() -> None:
    buffer = bytearray(b"abc")
    stream = Stream(memoryview(buffer)[1:], readonly=True)
    buffer[1] = ord("X")
    assert stream.readonly
    assert not stream.writable()
    assert stream.read() == b"Xc"


def test_buffers_of_other_types_count_as_bytes() -> None:
    numbers = array.array("I", [1, 2])
    stream = Stream(numbers, readonly=True)
    assert len(stream) == 2 * numbers.itemsize
    target = array.array("I", [0, 0])
    assert stream.readinto(target) == len(stream)
    assert target == numbers
    assert Stream().write(numbers) == len(stream)


def test_a_buffer_with_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="contiguous"):
        Stream(memoryview(b"abcd")[::2], readonly=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda stream: stream.write(b"x"),
        lambda stream: stream.write(b""),
        lambda stream: stream.truncate(0),
        lambda stream: stream.write_struct("I", 1),
        lambda stream: stream.write_string("x"),
    ],
)
def test_a_readonly_stream_refuses_changes(change: object) -> None:
    stream = Stream(b"abc", readonly=True)
    assert callable(change)
    with pytest.raises(StreamReadOnly) as caught:
        change(stream)
    assert isinstance(caught.value, io.UnsupportedOperation)
    assert isinstance(caught.value, HxGridError)
    assert stream.getvalue() == b"abc"


def test_getbuffer_is_a_readonly_view_that_shows_later_writes() -> None:
    stream = Stream()
    stream.write(b"abc")
    view = stream.getbuffer()
    stream.seek(0)
    stream.write(b"X")
    assert (view.readonly, bytes(view)) == (True, b"Xbc")


def test_the_length_cannot_change_while_a_view_lives() -> None:
    stream = Stream()
    stream.write(b"abc")
    view = stream.getbuffer()
    with pytest.raises(StreamInUse, match=r"getbuffer\(\)") as caught:
        stream.write(b"d")
    assert isinstance(caught.value, BufferError)
    with pytest.raises(StreamInUse):
        stream.truncate(1)
    assert (stream.getvalue(), stream.tell()) == (b"abc", 3)
    view.release()
    stream.write(b"d")
    assert stream.getvalue() == b"abcd"


def test_a_write_that_may_not_grow_changes_nothing() -> None:
    stream = Stream()
    stream.write(b"abc")
    stream.seek(1)
    with stream.getbuffer(), pytest.raises(StreamInUse):
        stream.write(b"XYZ")
    assert (stream.getvalue(), stream.tell()) == (b"abc", 1)


def test_a_part_of_a_stream_can_be_written_over_itself() -> None:
    stream = Stream()
    stream.write(b"abcdef")
    stream.seek(1)
    with stream.getbuffer() as view:
        stream.write(view[0:4])
    assert stream.getvalue() == b"aabcdf"


def test_structs_are_little_endian_unless_they_say_otherwise() -> None:
    stream = Stream()
    assert stream.write_struct("IB", 1, 2) == 5
    assert stream.write_struct(">H", 3) == 2
    assert stream.getvalue() == b"\x01\0\0\0\x02\0\x03"
    stream.seek(0)
    assert stream.read_struct("IB") == (1, 2)
    assert stream.read_struct(format=">H") == (3,)


def test_a_struct_beyond_the_end_is_not_read_at_all() -> None:
    stream = Stream(b"abc")
    stream.seek(1)
    with pytest.raises(
        StreamEnd, match=r"needs 4 bytes at position 1 .* only 2 are left"
    ) as caught:
        stream.read_struct("I")
    assert isinstance(caught.value, EOFError)
    assert stream.tell() == 1


@given(st.text() | st.binary())
def test_strings_of_any_kind_survive(value: str | bytes) -> None:
    stream = Stream()
    written = stream.write_string(value)
    encoded = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    assert written == len(stream) == 4 + len(encoded)
    stream.seek(0)
    assert stream.read_string(None) == encoded
    stream.seek(0)
    again = Stream()
    again.write_string(stream.read_string())
    assert again.getvalue() == stream.getvalue()


def test_a_string_is_a_length_and_its_bytes() -> None:
    stream = Stream()
    stream.write_string("grün")
    assert stream.getvalue() == b"\x05\0\0\0gr\xc3\xbcn"
    stream.seek(0)
    assert stream.read_string() == "grün"


def test_another_encoding_of_a_string_can_be_named() -> None:
    stream = Stream()
    stream.write_string("grün".encode("cp1252"))
    stream.seek(0)
    assert stream.read_string("cp1252") == "grün"


def test_a_declared_length_beyond_the_end_takes_no_memory_and_moves_nothing() -> None:
    stream = Stream(b"\xff\xff\xff\xffabc")
    with pytest.raises(StreamEnd, match="needs 4294967295 bytes"):
        stream.read_string()
    assert stream.tell() == 0


def test_a_file_is_mapped_and_readonly(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    stream = Stream.from_path(path)
    path.unlink()
    assert (stream.readonly, stream.read()) == (True, b"abc")
    assert isinstance(stream.getbuffer().obj, mmap.mmap)


def test_a_view_of_a_mapped_file_outlives_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    with Stream.from_path(path) as stream:
        view = stream.getbuffer()
    assert bytes(view) == b"abc"


def test_an_empty_file_is_an_empty_stream(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert Stream.from_path(path).read() == b""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing\.bin.*No such file"):
        Stream.from_path(tmp_path / "missing.bin")


@pytest.mark.parametrize(
    "use",
    [
        lambda stream: stream.read(),
        lambda stream: stream.write(b"x"),
        lambda stream: stream.seek(0),
        lambda stream: stream.tell(),
        lambda stream: stream.truncate(),
        lambda stream: stream.getvalue(),
        lambda stream: stream.getbuffer(),
        lambda stream: stream.readable(),
        len,
    ],
)
def test_a_closed_stream_says_that_it_is_closed(use: object) -> None:
    stream = Stream(b"abc")
    stream.close()
    stream.close()
    assert callable(use)
    with pytest.raises(StreamClosed) as caught:
        use(stream)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, SessionClosed)


def test_a_with_block_closes_it() -> None:
    with Stream(b"abc") as stream:
        assert stream.read() == b"abc"
    assert stream.closed
    assert repr(stream) == "<Stream closed>"


def test_it_serves_code_that_wants_a_binary_file() -> None:
    stream = Stream()
    pickle.dump({"a": [1, 2, 3]}, stream)
    stream.writelines([b"one\n", b"two\n"])
    stream.seek(0)
    assert pickle.load(stream) == {"a": [1, 2, 3]}
    assert list(stream) == [b"one\n", b"two\n"]


def test_peeking_moves_nothing() -> None:
    stream = Stream(b"abc")
    assert stream.peek(1)[:1] == b"a"
    assert stream.tell() == 0


def test_its_text_form_shows_size_and_position() -> None:
    assert repr(Stream(b"abc", readonly=True)) == "<Stream 3 bytes at 0 readonly>"


class StreamAgainstModel(RuleBasedStateMachine):
    """Any sequence of operations does what it does to a bytearray and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.stream = Stream(b"start")
        self.model = bytearray(b"start")
        self.position = 0

    @rule(data=st.binary(max_size=40))
    def write(self, data: bytes) -> None:
        assert self.stream.write(data) == len(data)
        if data:
            self.model.extend(bytes(max(self.position - len(self.model), 0)))
            self.model[self.position : self.position + len(data)] = data
            self.position += len(data)

    @rule(size=st.none() | st.integers(-1, 60))
    def read(self, size: int | None) -> None:
        end = len(self.model) if size is None or size < 0 else self.position + size
        expected = bytes(self.model[self.position : end])
        assert self.stream.read(size) == expected
        self.position += len(expected)

    @rule(size=st.integers(0, 30))
    def readinto(self, size: int) -> None:
        buffer = bytearray(size)
        expected = bytes(self.model[self.position : self.position + size])
        assert self.stream.readinto(buffer) == len(expected)
        assert buffer == expected.ljust(size, b"\0")
        self.position += len(expected)

    @rule(offset=st.integers(-60, 120), whence=st.integers(0, 2))
    def seek(self, offset: int, whence: int) -> None:
        target = offset + (0, self.position, len(self.model))[whence]
        if target < 0:
            with pytest.raises(ValueError, match="cannot seek"):
                self.stream.seek(offset, whence)
        else:
            assert self.stream.seek(offset, whence) == target
            self.position = target

    @rule(size=st.none() | st.integers(0, 120))
    def truncate(self, size: int | None) -> None:
        length = self.position if size is None else size
        assert self.stream.truncate(size) == length
        del self.model[length:]
        self.model.extend(bytes(length - len(self.model)))

    @rule(value=st.integers(0, 2**32 - 1))
    def write_number(self, value: int) -> None:
        self.stream.write_struct("I", value)
        self.model.extend(bytes(max(self.position - len(self.model), 0)))
        self.model[self.position : self.position + 4] = value.to_bytes(4, "little")
        self.position += 4

    @rule()
    def read_number(self) -> None:
        if self.position + 4 > len(self.model):
            with pytest.raises(StreamEnd):
                self.stream.read_struct("I")
        else:
            expected = struct.unpack_from("<I", self.model, self.position)
            assert self.stream.read_struct("I") == expected
            self.position += 4

    @invariant()
    def same_content(self) -> None:
        assert self.stream.getvalue() == self.model
        assert (len(self.stream), self.stream.tell()) == (len(self.model), self.position)
        with self.stream.getbuffer() as view:
            assert view == self.model


StreamAgainstModel.TestCase.settings = settings(max_examples=60, deadline=None)
test_any_sequence_of_operations_agrees_with_the_model = StreamAgainstModel.TestCase


def test_bytes_written_into_an_empty_stream_are_kept_as_they_are() -> None:
    data = b"x" * 1000
    stream = Stream()
    assert stream.write(data) == 1000
    assert stream.content() is data
    assert (stream.getvalue(), stream.tell()) == (data, 1000)
    stream.write(b"y")
    assert stream.getvalue() == data + b"y"
    assert data == b"x" * 1000


def test_content_of_a_stream_that_was_written_in_pieces_is_a_readonly_view() -> None:
    stream = Stream()
    stream.write(b"abc")
    stream.write(b"def")
    content = stream.content()
    assert isinstance(content, memoryview)
    assert (content.readonly, bytes(content)) == (True, b"abcdef")


def test_what_is_written_into_a_closed_stream_is_refused() -> None:
    stream = Stream()
    stream.close()
    with pytest.raises(StreamClosed):
        stream.write(b"abc")
    with pytest.raises(StreamClosed):
        stream.content()


def test_a_derived_class_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="Mine cannot be derived from Stream; let it hold one"):
        type("Mine", (Stream,), {})
