"""Compiles the pi task in C++ and Pascal, and the pi application in C++, Pascal and C#.

    python build.py [cpp] [pascal] [cpp-app] [pascal-app] [csharp-app] [--output FOLDER]

The files are put into `build/` where you are, unless you say otherwise, and their paths are
printed; without kinds, all that there are compilers for. Each kind is one command of one compiler;
the rest is saying which compiler is missing. Beside an application goes the library that it loads.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hxgrid_examples.compiling import CompileError, compile_to, cpp_compiler, find_compiler

from hxgrid import native

HERE = Path(__file__).resolve().parent
TASKS = ("cpp", "pascal")
APPLICATIONS = ("cpp-app", "pascal-app", "csharp-app")
KINDS = TASKS + APPLICATIONS
FUNCTION = "RunTask"


def build(kind: str, folder: Path) -> Path:
    """Compile the task, or the application, of this kind into `folder` and return the file.

    Raises `CompileError`.
    """
    library = _library_beside(folder) if kind in APPLICATIONS else None
    target = folder / file_name(kind)
    compile_to(target, lambda made: _command(kind, made, library))
    return target


def file_name(kind: str) -> str:
    """Return the name of the file that a kind is built into."""
    if kind in TASKS:
        return f"pi_task_{kind}{'.dll' if sys.platform == 'win32' else '.so'}"
    suffix = ".exe" if sys.platform == "win32" or kind == "csharp-app" else ""
    return f"picalculator_{kind.removesuffix('-app')}{suffix}"


def _command(kind: str, target: Path, library: Path | None) -> list[str]:
    match kind:
        case "cpp":
            return _cpp(target, "pi_task.cpp", "-shared")
        case "cpp-app":
            return _cpp(target, "picalculator.cpp", *_link(library))
        case "csharp-app":
            return _csharp(target)
    return _pascal(target, "picalculator.pas" if library else "pi_task.pas")


def _library_beside(folder: Path) -> Path:
    """Put the library where applications look for it first, and return where it came from."""
    library = native.user_library_path()
    if library is None:
        raise CompileError(native.why_missing())
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / library.name
    beside.unlink(missing_ok=True)
    if sys.platform == "win32":
        shutil.copyfile(library, beside)
    else:
        beside.symlink_to(library)
    return library


def _link(library: Path | None) -> list[str]:
    assert library is not None
    if library.suffix == ".dll":
        return [str(library)]  # mingw links a DLL by its path
    return [f"-L{library.parent}", "-lhxgriduser", f"-Wl,-rpath,{library.parent}"]


def _cpp(target: Path, source: str, *options: str) -> list[str]:
    flags = ["-std=c++11", "-O2"]
    flags += ["-static"] if sys.platform == "win32" else ["-fPIC", "-pthread"]
    include = f"-I{native.include_path()}"
    return [*cpp_compiler(), *flags, include, str(HERE / source), "-o", str(target), *options]


def _pascal(target: Path, source: str) -> list[str]:
    compiler = find_compiler("Free Pascal", "fpc")
    flags = ["-O2", "-Cg", "-v0", f"-Fu{native.pascal_path()}", f"-FU{target.parent}"]
    return [*compiler, *flags, f"-o{target}", str(HERE / source)]


def _csharp(target: Path) -> list[str]:
    compiler = find_compiler("C#", "mcs", "csc")
    flags = ["-define:WINDOWS"] if sys.platform == "win32" else []
    return [*compiler, "-nologo", *flags, f"-out:{target}", str(HERE / "picalculator.cs")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile what is asked for, or everything; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; default all")
    parser.add_argument("--output", type=Path, default=Path("build"))
    options = parser.parse_args(arguments)
    wrong = [kind for kind in options.kinds if kind not in KINDS]
    if wrong:
        parser.error(f"{wrong[0]!r} is not one of {', '.join(KINDS)}")
    failed = 0
    for kind in options.kinds or KINDS:
        try:
            print(build(kind, options.output))
        except CompileError as error:
            print(f"{kind}: {error}", file=sys.stderr)
            failed += 1
    # Not everybody has a compiler for everything.
    return 1 if failed and (options.kinds or failed == len(KINDS)) else 0


if __name__ == "__main__":
    sys.exit(main())
