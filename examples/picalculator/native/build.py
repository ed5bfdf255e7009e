"""Compiles the pi task in C++ and in Pascal.

    python build.py [cpp] [pascal] [--output FOLDER]

The libraries are put into `build/` where you are, unless you say otherwise, and their paths are
printed. Each kind is one command of one compiler; the rest is saying which compiler is missing.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hxgrid import native

HERE = Path(__file__).resolve().parent
KINDS = ("cpp", "pascal")
FUNCTION = "RunTask"


class BuildError(Exception):
    """A task cannot be compiled; the text says why, and what to do."""


def build(kind: str, folder: Path) -> Path:
    """Compile the task of this kind into `folder` and return the library."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".dll" if sys.platform == "win32" else ".so"
    target = folder / f"pi_task_{kind}{suffix}"
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as scratch:
        made = Path(scratch) / target.name
        _run(_cpp(made) if kind == "cpp" else _pascal(made))
        made.replace(target)
    return target


def _cpp(target: Path) -> list[str]:
    compiler = _find("C++", "c++", "g++", "clang++")
    flags = ["-std=c++11", "-O2", "-shared"]
    flags += ["-static"] if sys.platform == "win32" else ["-fPIC", "-pthread"]
    return [
        compiler,
        *flags,
        f"-I{native.include_path()}",
        str(HERE / "pi_task.cpp"),
        "-o",
        str(target),
    ]


def _pascal(target: Path) -> list[str]:
    compiler = _find("Free Pascal", "fpc")
    flags = ["-O2", "-Cg", "-v0", f"-Fu{native.pascal_path()}", f"-FU{target.parent}"]
    return [compiler, *flags, f"-o{target}", str(HERE / "pi_task.pas")]


def _find(language: str, *names: str) -> str:
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BuildError(f"no {language} compiler was found (looked for {', '.join(names)})")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile what is asked for, or both; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="cpp, pascal (default: both)")
    parser.add_argument("--output", type=Path, default=Path("build"))
    options = parser.parse_args(arguments)
    for kind in options.kinds or KINDS:
        if kind not in KINDS:
            parser.error(f"{kind!r} is not one of {', '.join(KINDS)}")
        try:
            print(build(kind, options.output))
        except BuildError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
