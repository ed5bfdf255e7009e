"""The compiled part: building it on the computer of the application, and calling it.

The library travels to the agents together with the task, so only this computer needs a compiler. It
is kept in the user's cache folder under a name made of its sources and flags: a changed source is
compiled again, and an installed hxGrid need not be writable.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hxgrid import native

from ..errors import JobError
from .nm_task import open_library

NATIVE = Path(__file__).with_name("native")
HEADER = NATIVE / "normalmapper.h"
NAME = "normalmapper.dll" if sys.platform == "win32" else "libnormalmapper.so"

# One rounding for each operation, in its order, so that every processor gives the same bits.
SAME_BITS = ("-ffp-contract=off", "-fno-fast-math", "-fno-unsafe-math-optimizations")
FLAGS = ("-std=c++11", "-O2", *SAME_BITS, "-shared", "-fvisibility=hidden", "-Wall", "-Wno-psabi")
# What the compiler brings comes along: another computer may have an older one.
LINKING = ("-static-libstdc++", "-static-libgcc") if sys.platform == "linux" else ()

_COMPILERS = ("c++", "g++", "clang++")
_LONGEST_BUILD_S = 300


def library_path(*extra_flags: str) -> Path:
    """Return the library, compiled now if it is not there yet. Raises `JobError`."""
    include = f"-I{native.include_path()}"
    command = [*_compiler(), *FLAGS, *LINKING, include, *extra_flags]
    if sys.platform != "win32":
        command.append("-fPIC")
    sources = sorted(NATIVE.glob("*.cpp"))
    target = _cache_folder() / _digest(command) / NAME
    if not target.is_file():
        _compile([*command, *(str(source) for source in sources)], target)
    return target


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


def _compiler() -> list[str]:
    wanted = os.environ.get("CXX")
    if wanted:
        return shlex.split(wanted)
    for name in _COMPILERS:
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise JobError(
        f"no C++ compiler was found (looked for {', '.join(_COMPILERS)}); install one, or name it"
        " in the environment variable CXX"
    )


def _cache_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("hxgrid", appauthor=False)) / "normalmapper"


def _digest(command: list[str]) -> str:
    digest = hashlib.sha256(repr(command).encode())
    for file in sorted(NATIVE.iterdir()):
        digest.update(file.name.encode() + b"\0" + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()[:24]


def _compile(command: list[str], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Put in place by a rename: another program may be compiling the same.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
        made = Path(folder) / target.name
        try:
            done = subprocess.run(
                [*command, "-o", str(made)],
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
