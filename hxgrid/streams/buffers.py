"""Views of bytes that lie elsewhere: in any buffer, in a mapped file."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from hxgrid.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath


def map_file(path: StrPath) -> memoryview:
    """Return a file's bytes as a read-only mapping; its memory is freed with the last view.

    Raises `StoreError` if the file cannot be opened or mapped.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if os.fstat(descriptor).st_size == 0:
                return memoryview(b"")  # nothing cannot be mapped
            # The mapping keeps a descriptor of its own.
            return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(
            "a file cannot be read", where=os.fspath(path), why=error.strerror or str(error)
        ) from error


def flat_view(data: ReadableBuffer) -> memoryview:
    """Return a view of any buffer as plain bytes, without a copy."""
    view = memoryview(data)
    if view.nbytes == 0:
        return memoryview(b"")  # a shape with a zero in it cannot be cast
    if view.ndim == 1 and view.format == "B" and view.contiguous:
        return view
    if not view.c_contiguous:
        raise ValueError("the buffer is not contiguous; make a copy of it first")
    return view.cast("B")
