"""Compiling what an example has in C++, or in another compiled language, where it is started.

A compiled task travels to the agents, so only this computer needs a compiler. `task_library` keeps
what it has made in the user's cache folder, under a name made of the sources and the command: a
changed source is compiled again, and an installed hxGrid need not be writable.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hxgrid import native

# One rounding for each operation, in its order, so that every processor gives the same bits.
SAME_BITS = ("-ffp-contract=off", "-fno-fast-math", "-fno-unsafe-math-optimizations")
FLAGS = ("-std=c++11", "-O2", *SAME_BITS, "-shared", "-fvisibility=hidden", "-Wall")
PLATFORM_FLAGS = () if sys.platform == "win32" else ("-fPIC", "-pthread")
# What the compiler brings comes along: another computer may have an older one.
LINKING = ("-static-libstdc++", "-static-libgcc") if sys.platform == "linux" else ()

_CPP = ("c++", "g++", "clang++")
_LONGEST_BUILD_S = 300
_MOST_OUTPUT = 4000


class CompileError(Exception):
    """Something cannot be compiled: `reason` is a sentence, `output` what the compiler said."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(f"{reason}\n{output}" if output else reason)
        self.reason = reason
        self.output = output

    def with_advice(self, advice: str) -> str:
        """Return the text with what to do behind the sentence."""
        return str(CompileError(f"{self.reason}; {advice}", self.output))


def find_compiler(language: str, *names: str, variable: str | None = None) -> list[str]:
    """Return the command that the environment variable gives, else the first of the names.

    Raises `CompileError` where there is none.
    """
    wanted = os.environ.get(variable) if variable is not None else None
    if wanted:
        return shlex.split(wanted)
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return [path]
    other = f", and the environment variable {variable} names none" if variable is not None else ""
    raise CompileError(f"no {language} compiler was found (looked for {', '.join(names)}{other})")


def cpp_compiler() -> list[str]:
    """Return the command of the C++ compiler: CXX from the environment, else the first found."""
    return find_compiler("C++", *_CPP, variable="CXX")


def cache_folder() -> Path:
    """Return the folder of this user for what can be made again; it need not be there."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("hxgrid", appauthor=False))


def compile_to(target: Path, command_for: Callable[[Path], Sequence[str]]) -> Path:
    """Make the file `target` by the command that makes a file somewhere, and return it.

    The command writes into a folder of its own, and the file is put in place by a rename: another
    program may be compiling the same. Raises `CompileError`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
        made = Path(folder) / target.name
        _run(list(command_for(made)))
        made.replace(target)
    return target


def task_library(
    name: str, sources: Path, flags: Sequence[str] = (), libraries: Sequence[str] = ()
) -> Path:
    """Return the library of all C++ files of a folder, compiled now if it is not there yet.

    `flags` come behind those that all examples share, `libraries` are linked. Raises
    `CompileError`.
    """
    common = [*FLAGS, *PLATFORM_FLAGS, *LINKING, f"-I{native.include_path()}"]
    command = [*cpp_compiler(), *common, *flags]
    file = f"{name}.dll" if sys.platform == "win32" else f"lib{name}.so"
    target = cache_folder() / name / _digest([*command, *libraries], sources) / file
    if target.is_file():
        return target
    units = [str(unit) for unit in sorted(sources.glob("*.cpp"))]
    return compile_to(target, lambda made: [*command, *units, "-o", str(made), *libraries])


def _digest(command: list[str], sources: Path) -> str:
    digest = hashlib.sha256(repr(command).encode())
    for file in sorted(sources.iterdir()):
        digest.update(file.name.encode() + b"\0" + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()[:24]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LONGEST_BUILD_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"the compiler could not be run: {error}") from error
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()
        raise CompileError(f"the compiler failed: {shlex.join(command)}", output[-_MOST_OUTPUT:])
