"""Compiling task modules for tests, with the compilers of this machine."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INCLUDE = ROOT / "native" / "include"
SOURCES = ROOT / "native" / "src"
MODULES = Path(__file__).parent / "modules"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"


def run(command: list[str], *, cwd: Path | None = None) -> str:
    """Run a compiler; its words are the assertion if it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, timeout=300
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def library_sources() -> list[str]:
    """Return the C files that the task library is made of."""
    folders = (SOURCES / "common", SOURCES / "task")
    return [str(path) for folder in folders for path in sorted(folder.glob("*.c"))]


def cc() -> str:
    """Return the C compiler that every test may count on."""
    return os.environ.get("CC") or "cc"


def c_module(folder: Path, source: str, *options: str, name: str | None = None) -> Path:
    """Compile `modules/SOURCE` in C99 into `folder`."""
    target = folder / (name or f"{Path(source).stem}{SUFFIX}")
    shared = ["-std=c99", "-pedantic", "-O1", "-g", "-fPIC", "-shared", "-pthread", *WARNINGS]
    run([cc(), *shared, f"-I{INCLUDE}", str(MODULES / source), "-o", str(target), *options])
    return target


def cpp_module(folder: Path, source: Path, *options: str, standard: str = "c++11") -> Path:
    """Compile a C++ file into `folder`."""
    target = folder / f"{source.stem}{SUFFIX}"
    shared = [f"-std={standard}", "-O2", "-fPIC", "-shared", "-pthread", *WARNINGS]
    run(["g++", *shared, f"-I{INCLUDE}", *options, str(source), "-o", str(target)])
    return target


def pascal_module(folder: Path, source: Path, *options: str) -> Path:
    """Compile a Pascal library into `folder`."""
    target = folder / f"lib{source.stem}{SUFFIX}"
    units = ROOT / "native" / "pascal"
    flags = ["-Mdelphi", "-O2", "-Cg", "-vew", f"-Fu{units}", f"-FU{folder}", *options]
    run(["fpc", *flags, f"-o{target}", str(source)])
    return target


def windows_libraries(folder: Path, processor: str) -> None:
    """Cross-compile both libraries into `folder` as an installation for Windows has them."""
    builder = _builder()
    compiler = [f"{processor}-w64-mingw32-gcc"]
    for name, sources in (
        (builder.library_name("win32"), builder.SOURCES),
        (builder.user_library_name("win32"), builder.USER_SOURCES),
    ):
        run([*builder.command(compiler, folder / name, "win32", sources), "-Werror"])
    for header in builder.HEADERS:
        shutil.copyfile(header, folder / header.name)


def _builder() -> Any:
    """native/build.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("native_build", ROOT / "native" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
