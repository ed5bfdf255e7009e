"""The C++ part: compiled where the application runs, and called in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..compiling import CompileError, task_library
from ..errors import JobError
from .nm_task import open_library

NATIVE = Path(__file__).with_name("native")
HEADER = NATIVE / "normalmapper.h"

_ADVICE = "install one, or name it in the environment variable CXX"


def library_path(*extra_flags: str) -> Path:
    """Return the library, compiled now if it is not there yet. Raises `JobError`."""
    try:
        return task_library("normalmapper", NATIVE, ["-Wno-psabi", *extra_flags])
    except CompileError as error:
        raise JobError(error.with_advice(_ADVICE)) from error


def load(path: Path | None = None) -> Library:
    """Return the library as an object to call; without a path, that of `library_path()`."""
    return Library(path or library_path())


class Library:
    """The functions of normalmapper.h, and memory in its terms."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ffi, self.lib = open_library(path, HEADER)

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function; raise `JobError` with its sentence if it gives one."""
        message = getattr(self.lib, function)(*arguments)
        if message != self.ffi.NULL:
            raise JobError(self.ffi.string(message).decode("ascii"))

    def pointer(self, kind: str, array: Any) -> Any:
        """Return a pointer to the memory of a contiguous array (empty: NULL)."""
        if array is None or not len(array):
            return self.ffi.NULL
        return self.ffi.from_buffer(f"{kind}[]", memoryview(array).cast("B"))
