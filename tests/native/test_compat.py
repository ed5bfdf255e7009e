"""Programs and tasks in the manner of those for the original: unchanged sources, every compiler.

`compat/` has them. They name the original's headers, units and libraries, and use every method,
structure and callback as its programs did; their assertions are what those rely on.
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.harness.local_grid import LocalGrid
from tests.harness.ports import free_port
from tests.harness.processes import Programs
from tests.native import building, calling

pytestmark = pytest.mark.slow

LIMIT_S = 90.0
COMPAT = Path(__file__).parent / "compat"
INCLUDE = f"-I{building.INCLUDE / 'hxgrid-compat'}"
CPP = [
    pytest.param(compiler, standard, marks=pytest.mark.system(compiler))
    for compiler, standard in (("g++", "c++98"), ("g++", "c++20"), ("clang++", "c++11"))
]


def cpp_program(folder: Path, compiler: str, standard: str) -> Path:
    """Compile task and program in C++ into `folder`, for this system."""
    flags = ["-O1", "-g", f"-std={standard}", *building.WARNINGS, INCLUDE, "-pthread"]
    task = ["-fPIC", "-shared", str(COMPAT / "task.cpp"), "-o", str(folder / "task.so")]
    building.run([compiler, *flags, *task])
    program = folder / "program"
    library = calling.LIBRARY_FOLDER
    link = [f"-L{library}", "-lhxgriduser", f"-Wl,-rpath,{library}", "-ldl"]
    building.run([compiler, *flags, str(COMPAT / "program.cpp"), *link, "-o", str(program)])
    (folder / "extra.txt").write_text("extra")
    return program


def pascal_program(folder: Path) -> Path:
    """Compile task and program in Pascal into `folder`, for this system."""
    units = building.ROOT / "native" / "pascal"
    flags = ["-Mdelphi", "-O2", "-Sa", "-vew", f"-Fu{units}", f"-Fu{units / 'compat'}"]
    for source, target in (("task.pas", "libtask.so"), ("program.pas", "program")):
        command = ["fpc", *flags, f"-FU{folder}", f"-o{folder / target}", str(COMPAT / source)]
        building.run(command)
    return folder / "program"


def run(program: Path, *arguments: str) -> None:
    libraries = str(calling.LIBRARY_FOLDER)
    out = calling.run_caller(program, *arguments, LD_LIBRARY_PATH=libraries)
    assert out == "done\n"


@pytest.mark.parametrize(("compiler", "standard"), CPP)
def test_a_cpp_program_runs_on_a_grid(tmp_path: Path, compiler: str, standard: str) -> None:
    run(cpp_program(tmp_path, compiler, standard))


@pytest.mark.system("fpc")
def test_a_pascal_program_runs_on_a_grid(tmp_path: Path) -> None:
    run(pascal_program(tmp_path))


@pytest.mark.system("g++")
def test_h9_settings_of_62_bytes_come_back_in_cpp(tmp_path: Path) -> None:
    run(cpp_program(tmp_path, "g++", "c++98"), "settings")


@pytest.mark.system("g++")
def test_set_settings_with_an_address_leads_to_that_grid(tmp_path: Path) -> None:
    program = cpp_program(tmp_path, "g++", "c++11")
    folder = tmp_path / "programs"
    folder.mkdir()
    with Programs(folder) as programs:
        grid = LocalGrid(programs)
        grid.coordinator()
        grid.wait_for_coordinator(LIMIT_S)
        grid.agent()
        grid.wait_for_agents(1, LIMIT_S)
        more = programs.environment(programs.home, grid.environment)
        # Where nobody answers: the grid is not found by a broadcast.
        more["HXGRID_USER_BEACON_PORT"] = str(free_port(socket.SOCK_DGRAM))
        more["HXGRID_BRIDGE"] = str(calling.BRIDGE)
        command = [str(program), str(grid.port)]
        done = subprocess.run(
            command, env=more, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.system("fpc")
def test_h9_settings_of_62_bytes_come_back_in_pascal(tmp_path: Path) -> None:
    run(pascal_program(tmp_path), "settings")


@pytest.mark.system("x86_64-w64-mingw32-g++", "i686-w64-mingw32-g++")
@pytest.mark.parametrize("processor", ["x86_64", "i686"])
def test_the_same_sources_compile_for_windows(tmp_path: Path, processor: str) -> None:
    building.windows_libraries(tmp_path, processor)
    flags = ["-O1", "-std=c++98", *building.WARNINGS, INCLUDE, "-static"]
    compiler = f"{processor}-w64-mingw32-g++"
    task: list[Any] = [COMPAT / "task.cpp", COMPAT / "task.def", "-o", tmp_path / "task.dll"]
    building.run([compiler, *flags, "-shared", *map(str, task)])
    program: list[Any] = [COMPAT / "program.cpp", tmp_path / "hxGridUserDLL.dll"]
    building.run([compiler, *flags, *map(str, program), "-o", str(tmp_path / "program.exe")])
    # By their plain names, as programs look for them, on 32 bits too.
    listed = building.run([f"{processor}-w64-mingw32-objdump", "-p", str(tmp_path / "task.dll")])
    exported = {
        line.split()[-1] for line in listed.partition("Name Pointer")[2].splitlines() if line
    }
    assert {"RunTask", "EndSession"} <= exported
