"""Compiling for Windows, and for this system, what the tests of this folder run."""

from __future__ import annotations

import shutil
from pathlib import Path

from examples.picalculator.native import build
from tests.native import building

EXAMPLE = building.ROOT / "examples" / "picalculator" / "native"
DIGITS = 189


def expected(digits: int = DIGITS) -> str:
    """Return digits of pi."""
    from mpmath import mp

    with mp.workdps(digits + 20):
        return str(mp.nstr(+mp.pi, digits + 10))[2 : digits + 2]


def pi_module(folder: Path, *, for_windows: bool, for_here: bool = False) -> Path:
    """Compile the pi task under one name, and return the file for Windows, there or not."""
    target = folder / "pi_task_cpp.dll"
    if for_windows:
        _cpp("x86_64", "pi_task.cpp", target, "-shared")
    if for_here:
        build.build("cpp", folder)
    return target


def pi_application(folder: Path, processor: str, libraries: Path) -> Path:
    """Compile the pi application, with the library beside it as it is installed on Windows."""
    library = put_library(folder, libraries)
    target = folder / "picalculator.exe"
    _cpp(processor, "picalculator.cpp", target, str(library))
    return target


def put_library(folder: Path, libraries: Path) -> Path:
    """Put the library beside an application, as it is installed on Windows."""
    library = folder / "hxGridUserDLL.dll"
    shutil.copyfile(libraries / library.name, library)
    return library


def c_module(folder: Path, source: Path) -> Path:
    """Compile a task module in C for Windows."""
    target = folder / f"{source.stem}.dll"
    flags = ["-std=c99", "-O1", "-shared", "-static-libgcc", *building.WARNINGS]
    include = f"-I{building.INCLUDE}"
    building.run(["x86_64-w64-mingw32-gcc", *flags, include, str(source), "-o", str(target)])
    return target


def _cpp(processor: str, source: str, target: Path, *options: str) -> None:
    flags = ["-std=c++11", "-O2", "-static", *building.WARNINGS, f"-I{building.INCLUDE}"]
    compiler = f"{processor}-w64-mingw32-g++"
    building.run([compiler, *flags, str(EXAMPLE / source), "-o", str(target), *options])
