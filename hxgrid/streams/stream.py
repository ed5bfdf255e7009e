"""Stream: bytes with a position, what tasks read their input from and write their result to.

A stream is in one of two states. As a *view* its bytes belong to somebody else (a `bytes` object, a
frame from the network, a mapped file) and are used without a copy. As *own* bytes it holds a
`bytearray` that grows. A writable stream that was made from `bytes` starts as a view and copies
them at the first change, so a result that is only read is never copied; a read-only stream stays a
view for ever. `bytes` written into an empty stream are kept as they are, too: most results are
written in one piece.

Positions follow the original's stream: any position may be sought, also beyond the end; reading
there gives nothing and moves nothing; writing there fills the gap with zeroes.

Whether the bytes are compressed is a property beside them and never guessed from what they look
like: data that happens to begin like compressed data is data.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from typing import TYPE_CHECKING, Any, Final, Self, final, overload

from hxgrid.streams.buffers import flat_view, map_file
from hxgrid.streams.errors import StreamClosed, StreamEnd, StreamInUse, StreamReadOnly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer, StrPath, WriteableBuffer

_LENGTH: Final = struct.Struct("<I")
_BYTE_ORDERS: Final = ("@", "=", "<", ">", "!")
_PEEK_BYTES: Final = 8192


@final
class Stream(io.BufferedIOBase):
    """Bytes with a position; a binary file in memory.

    `Stream(data)` starts at position 0. A writable stream never changes `data` itself. With
    `readonly=True` any buffer (bytes, memoryview, mmap) is shown without a copy, and its owner must
    leave it unchanged meanwhile. A stream belongs to one thread at a time. To change what it does,
    wrap it: it is compiled in some installations, and classes derived from it are refused in all.
    """

    # What most streams never change stays in the class: each task makes two streams.
    _readonly = False
    _position = 0
    # Own bytes; None while the content is the view.
    _own: bytearray | None = None
    # Size before compression; None if the bytes are not compressed.
    _raw_size: int | None = None
    _view: memoryview | bytes = b""
    # The view is what was written into the empty stream.
    _is_adopted = False

    def __init_subclass__(cls) -> None:
        """Refuse at once what could not be used where streams are compiled."""
        raise TypeError(f"{cls.__name__} cannot be derived from Stream; let it hold one instead")

    def __init__(self, data: ReadableBuffer = b"", *, readonly: bool = False) -> None:
        if readonly:
            self._readonly = True
        if type(data) is bytes:
            if data:
                self._view = data
        elif readonly or isinstance(data, bytes):
            self._view = flat_view(data)
        else:
            # The owner of a mutable buffer may change it any time.
            self._own = bytearray(data)

    @classmethod
    def from_path(cls, path: StrPath) -> Self:
        """Return a read-only stream over a file, mapped and not read.

        The file may be removed afterwards but must not be shortened. Raises `StoreError` if it
        cannot be opened.
        """
        return cls(map_file(path), readonly=True)

    # -- what it is

    @property
    def readonly(self) -> bool:
        """Whether every attempt to change it raises `StreamReadOnly`."""
        return self._readonly

    @property
    def is_compressed(self) -> bool:
        """Whether its bytes are compressed; they are then what travels, and cannot be written."""
        return self._raw_size is not None

    @property
    def raw_size(self) -> int:
        """Number of bytes before compression; `len()` if it is not compressed."""
        return len(self) if self._raw_size is None else self._raw_size

    def __len__(self) -> int:
        self._check_open()
        return len(self._view) if self._own is None else len(self._own)

    def readable(self) -> bool:
        """Return True."""
        self._check_open()
        return True

    def writable(self) -> bool:
        """Tell whether `write` is allowed."""
        self._check_open()
        return not (self._readonly or self.is_compressed)

    def seekable(self) -> bool:
        """Return True."""
        self._check_open()
        return True

    # -- position

    def tell(self) -> int:
        """Return the position."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to `offset` from the start, the position (1) or the end (2); return the position.

        The end is no limit. A position before the start raises `ValueError`.
        """
        length = len(self)
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: length}
        if whence not in bases:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        position = bases[whence] + offset
        if position < 0:
            raise ValueError(f"cannot seek to {position}, before the start of the stream")
        self._position = position
        return position

    # -- reading

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, or all to the end; b"" at or beyond the end."""
        if self._position == 0 and (size is None or size < 0):
            data = self.getvalue()
            if data:
                self._position = len(data)
            return data
        piece = self._piece(size)
        self._position += len(piece)
        # bytes() of a whole bytes object would copy it.
        whole = piece.obj
        if isinstance(whole, bytes) and len(whole) == len(piece):
            return whole
        return bytes(piece)

    def read1(self, size: int = -1, /) -> bytes:
        """Do the same as `read`; there is no lower layer that could answer with less."""
        return self.read(size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` as far as there are bytes; return how many that was."""
        target = flat_view(buffer)
        piece = self._piece(len(target))
        if len(piece):
            target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """Do the same as `readinto`."""
        return self.readinto(buffer)

    def peek(self, size: int = 0, /) -> bytes:
        """Return some of the bytes that come next without moving; b"" only at or beyond the end."""
        return bytes(self._piece(max(size, _PEEK_BYTES)))

    def getvalue(self) -> bytes:
        """Return all bytes, wherever the position is."""
        if self.closed:
            self._check_open()
        if self._own is not None:
            return bytes(self._own)
        view = self._view
        if type(view) is bytes:
            return view
        whole = view.obj if isinstance(view, memoryview) else None
        if isinstance(whole, bytes) and len(whole) == len(view):
            return whole
        return bytes(view)

    def getbuffer(self) -> memoryview:
        """Return a read-only view of all bytes, without a copy.

        It stays valid when the stream is closed. While it lives, writes inside the stream show
        through it, and changes of length raise `StreamInUse`.
        """
        if self._is_adopted:
            self._own = self._writable_bytes()
        return self._all()

    def content(self) -> bytes | memoryview:
        """Return all bytes as they are kept: the `bytes` if there are any, else a read-only view.

        For whoever is the last to use the stream.
        """
        view = self._view
        if self._own is None and type(view) is bytes and not self.closed:
            return view
        return self._all()

    def read_struct(self, format: str) -> tuple[Any, ...]:  # noqa: A002 - the public name
        """Return the values of a `struct` format, little-endian and unpadded unless it says so.

        Raises `StreamEnd` and reads nothing if too few bytes are left.
        """
        layout = _layout(format)
        return layout.unpack(self._exactly(layout.size, f"a structure {format!r}"))

    @overload
    def read_string(self, encoding: str = "utf-8") -> str: ...
    @overload
    def read_string(self, encoding: None) -> bytes: ...
    def read_string(self, encoding: str | None = "utf-8") -> str | bytes:
        """Read a u32 length and that many bytes; return them as text, or as bytes for None.

        Bytes that are not valid text become lone surrogates, which `write_string` turns back into
        the same bytes. Raises `StreamEnd` and reads nothing if too few bytes are left, whatever
        the length says.
        """
        start = self._position
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, "the length of a string"))
        try:
            data = self._exactly(length, "a string")
        except StreamEnd:
            self._position = start
            raise
        return data if encoding is None else data.decode(encoding, "surrogateescape")

    # -- writing

    def write(self, data: ReadableBuffer, /) -> int:
        """Write at the position, over what is there and past the end; return how many bytes.

        A gap between the end and the position is filled with zeroes. Writing nothing does nothing.
        """
        # Own bytes are writable; whatever is not, has none.
        own = self._own
        if own is None:
            if type(data) is bytes and not self._view and not self._position:
                return self._adopt(data)
            own = self._writable_bytes()
        if type(data) is bytes and len(own) == self._position:
            # What nearly every call does, without views and detours.
            return self._append(own, data)
        source = flat_view(data)
        if len(source) == 0:
            return 0
        start, length = self._position, len(own)
        over = max(min(length - start, len(source)), 0)
        with _refuse_views(own):
            # Growing comes first: if it is refused, nothing has changed.
            if start > length:
                own.extend(bytes(start - length))
            if over < len(source):
                own.extend(source[over:])
        if over:
            # Through a view, because slice assignment to a bytearray copies its source first.
            with memoryview(own) as target:
                target[start : start + over] = source[:over]
        self._position = start + len(source)
        return len(source)

    def truncate(self, size: int | None = None, /) -> int:
        """Make it `size` bytes long (default: the position), filled with zeroes; return `size`.

        The position stays where it is.
        """
        own = self._writable_bytes()
        length = self._position if size is None else size
        if length < 0:
            raise ValueError(f"a stream cannot have {length} bytes")
        with _refuse_views(own):
            if length < len(own):
                del own[length:]
            elif length > len(own):
                own.extend(bytes(length - len(own)))
        return length

    def write_struct(self, format: str, *values: Any) -> int:  # noqa: A002 - the public name
        """Write values by a `struct` format, little-endian and unpadded unless it says so."""
        return self.write(_layout(format).pack(*values))

    def write_string(self, text: str | ReadableBuffer) -> int:
        """Write a u32 length and the bytes (of a str: UTF-8); return how many bytes in all."""
        data = flat_view(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        if len(data) > 0xFFFFFFFF:
            raise ValueError(f"a string of {len(data)} bytes does not fit its u32 length")
        return self.write(_LENGTH.pack(len(data)) + data)

    def set_content(self, data: bytes, *, raw_size: int | None = None) -> None:
        """Replace all bytes and go to position 0; `raw_size` says that `data` is compressed.

        For compression only, which changes the form of the content and not the content: therefore
        allowed on a read-only stream too.
        """
        self._check_open()
        self._view = data
        self._own = None
        self._is_adopted = False
        self._raw_size = raw_size
        self._position = 0

    def close(self) -> None:
        """Let go of the bytes; views that others hold stay valid. Closing twice is harmless."""
        self._own = None
        self._view = b""
        self._is_adopted = False
        super().close()

    def __repr__(self) -> str:
        if self.closed:
            return "<Stream closed>"
        kind = " readonly" if self._readonly else ""
        packed = f" compressed from {self._raw_size}" if self.is_compressed else ""
        return f"<Stream {len(self)} bytes at {self._position}{kind}{packed}>"

    def __del__(self) -> None:
        """Do nothing: the base class would call `close()`, which frees what is freed anyway."""

    # -- inside

    def _adopt(self, data: bytes) -> int:
        """Keep what is written into the empty stream, without a copy."""
        if self._readonly or self._raw_size is not None or self.closed:
            self._check_writable()
        size = len(data)
        if size:
            self._view = data
            self._is_adopted = True
            self._position = size
        return size

    def _append(self, own: bytearray, data: bytes) -> int:
        try:
            own += data
        except BufferError as error:
            raise _in_use(own) from error
        size = len(data)
        self._position += size
        return size

    def _check_open(self) -> None:
        if self.closed:
            raise StreamClosed("the stream was used after close()")

    def _all(self) -> memoryview:
        self._check_open()
        content = self._view if self._own is None else self._own
        return memoryview(content).toreadonly()

    def _piece(self, size: int | None) -> memoryview:
        start = self._position
        end = len(self) if size is None or size < 0 else start + size
        # Of the whole at once, so that read() can give out the object itself.
        return self._all()[start:end]

    def _exactly(self, size: int, what: str) -> bytes:
        left = max(len(self) - self._position, 0)
        if size > left:
            raise StreamEnd(
                f"{what} needs {size} bytes at position {self._position} of the stream, "
                f"but only {left} are left"
            )
        return self.read(size)

    def _check_writable(self) -> None:
        self._check_open()
        if self._readonly:
            raise StreamReadOnly("the stream is read-only", advice="Write to a Stream of your own.")
        if self.is_compressed:
            raise StreamReadOnly(
                "the stream is compressed", advice="Write before it is compressed."
            )

    def _writable_bytes(self) -> bytearray:
        self._check_writable()
        if self._own is None:
            self._own = bytearray(self._view)
            self._view = b""
            self._is_adopted = False
        return self._own


def _layout(form: str) -> struct.Struct:
    return struct.Struct(form if form.startswith(_BYTE_ORDERS) else "<" + form)


@contextlib.contextmanager
def _refuse_views(own: bytearray) -> Iterator[None]:
    """Say what to do when Python refuses to move bytes that somebody looks at."""
    try:
        yield
    except BufferError as error:
        raise _in_use(own) from error


def _in_use(own: bytearray) -> StreamInUse:
    return StreamInUse(
        f"a stream of {len(own)} bytes cannot change its length while a view of it is alive",
        advice="Release the view that getbuffer() gave.",
    )
