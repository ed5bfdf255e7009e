"""The C++ task: compiled where the application runs, and called in this process.

There are two libraries. The one with long numbers needs GMP, here and on the agents; where it is
missing, Python computes with long numbers.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from ..compiling import CompileError, cpp_compiler, task_library
from ..errors import JobError
from .mb_task import Stopped

NATIVE = Path(__file__).with_name("native")
HEADER = NATIVE / "mandelbrot.h"

_ADVICE = "install a compiler, or take the task in Python"
_GMP = "libgmp.so.10"
_REGION = re.compile(r"/\* cdef: begin \*/(.*?)/\* cdef: end \*/", re.DOTALL)


class Library:
    """The functions of mandelbrot.h."""

    def __init__(self, path: Path) -> None:
        import cffi

        self.path = path
        self._ffi = cffi.FFI()
        declarations = _REGION.findall(HEADER.read_text(encoding="utf-8"))
        self._ffi.cdef("".join(declarations).replace("MB_API", ""))
        self._lib: Any = self._ffi.dlopen(str(path))

    @cached_property
    def files(self) -> list[Path]:
        """The library and what it needs beside it where it runs."""
        return [self.path, *(_gmp() if self.has_exact else [])]

    @property
    def has_exact(self) -> bool:
        """Whether it computes with long numbers."""
        return bool(self._lib.mb_has_exact())

    def compute(self, request: bytes, reference: bytes, go_on: Callable[[], bool]) -> bytes:
        """Answer a request in this thread; other threads go on meanwhile.

        Raises `Stopped` when `go_on` returns False, `JobError` for what is no request.
        """
        ffi, count = self._ffi, self._ffi.new("uint64_t *")
        self._check(self._lib.mb_answer_bytes(request, len(request), count))
        answer = bytearray(count[0])
        is_stopped = ffi.new("int32_t *")
        asked = ffi.callback("int32_t(void *)", lambda _: bool(go_on()))
        given = ffi.from_buffer(reference) if reference else ffi.NULL
        self._check(
            self._lib.mb_compute(
                *(request, len(request), given, len(reference)),
                *(ffi.from_buffer(answer), len(answer), asked, ffi.NULL, is_stopped),
            )
        )
        if is_stopped[0]:
            raise Stopped
        return bytes(answer)

    def _check(self, message: Any) -> None:
        if message != self._ffi.NULL:
            sentence: Any = self._ffi.string(message)
            raise JobError(sentence.decode("utf-8", "replace"))


def load(*, exact: bool = False) -> Library:
    """Return the library, compiled now if it is not there yet.

    Raises `JobError` where there is no compiler or, with `exact`, no GMP.
    """
    return Library(library_path(exact=exact))


def library_path(*, exact: bool = False) -> Path:
    """Return the file of the library, as `load` does."""
    with _told_to_the_person():
        if exact:
            return task_library("mandelbrot_gmp", NATIVE, ["-Wextra", "-DMB_WITH_GMP"], ["-lgmp"])
        return task_library("mandelbrot", NATIVE, ["-Wextra"])


def _gmp() -> list[Path]:
    """Return the file of GMP, as the compiler knows it, under the name that the loader wants."""
    if sys.platform != "linux":
        return []
    with _told_to_the_person():
        command = [*cpp_compiler(), f"-print-file-name={_GMP}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    found = Path(done.stdout.strip())
    return [found] if found.is_absolute() and found.is_file() else []


@contextlib.contextmanager
def _told_to_the_person() -> Iterator[None]:
    try:
        yield
    except CompileError as error:
        raise JobError(error.with_advice(_ADVICE)) from error
