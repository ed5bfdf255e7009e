"""The C++ task: building it on the computer of the application, and calling it in this process.

The library travels to the agents as the task module, so only this computer needs a compiler. It is
kept in the user's cache folder under a name made of its sources and flags: a changed source is
compiled again, and an installed hxGrid need not be writable.

There are two of them. The one with long numbers needs GMP, here and on the agents; where it is
missing, Python computes with long numbers.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from hxgrid import native

from ..errors import JobError
from .mb_task import Stopped

NATIVE = Path(__file__).with_name("native")
HEADER = NATIVE / "mandelbrot.h"

# One rounding for each operation, in its order, so that every processor gives the same bits.
SAME_BITS = ("-ffp-contract=off", "-fno-fast-math")
FLAGS = ("-std=c++11", "-O2", *SAME_BITS, "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")
# What the compiler brings comes along: another computer may have an older one.
LINKING = ("-static-libstdc++", "-static-libgcc") if sys.platform == "linux" else ()
WITH_GMP = ("-DMB_WITH_GMP",)
_GMP = "libgmp.so.10"

_COMPILERS = ("c++", "g++", "clang++")
_LONGEST_BUILD_S = 300
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
    command = [*_compiler(), *FLAGS, *LINKING, f"-I{native.include_path()}"]
    command += WITH_GMP if exact else ()
    command += [] if sys.platform == "win32" else ["-fPIC", "-pthread"]
    target = _cache_folder() / _digest(command) / _name(exact)
    if not target.is_file():
        sources = [str(source) for source in sorted(NATIVE.glob("*.cpp"))]
        _compile([*command, *sources], ["-lgmp"] if exact else [], target)
    return target


def _gmp() -> list[Path]:
    """Return the file of GMP, as the compiler knows it, under the name that the loader wants."""
    if sys.platform != "linux":
        return []
    command = [*_compiler(), f"-print-file-name={_GMP}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    found = Path(done.stdout.strip())
    return [found] if found.is_absolute() and found.is_file() else []


def _name(exact: bool) -> str:
    name = "mandelbrot_gmp" if exact else "mandelbrot"
    return f"{name}.dll" if sys.platform == "win32" else f"lib{name}.so"


def _compiler() -> list[str]:
    wanted = os.environ.get("CXX")
    if wanted:
        return shlex.split(wanted)
    for name in _COMPILERS:
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise JobError(
        f"no C++ compiler was found (looked for {', '.join(_COMPILERS)}); install one, or take the"
        " task in Python"
    )


def _cache_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("hxgrid", appauthor=False)) / "mandelbrot"


def _digest(command: list[str]) -> str:
    digest = hashlib.sha256(repr(command).encode())
    for file in sorted(NATIVE.iterdir()):
        digest.update(file.name.encode() + b"\0" + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()[:24]


def _compile(command: list[str], libraries: list[str], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Put in place by a rename: another program may be compiling the same.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
        made = Path(folder) / target.name
        try:
            done = subprocess.run(
                [*command, "-o", str(made), *libraries],
                capture_output=True,
                text=True,
                check=False,
                timeout=_LONGEST_BUILD_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise JobError(f"the C++ compiler could not be run: {error}") from error
        if done.returncode != 0:
            output = (done.stderr or done.stdout).strip()
            raise JobError(f"the C++ compiler failed: {shlex.join(command)}\n{output[-4000:]}")
        made.replace(target)
