"""Applications for Windows, with library and bridge under Wine, and agents on this system."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native import building as native_building
from tests.wine import building
from tests.wine.grids import MixedGrid
from tests.wine.pascal import PascalForWindows
from tests.wine.running import Wine

WINE_32 = Path("/usr/lib/i386-linux-gnu/wine")


def compute(
    wine: Wine, grid: MixedGrid, application: Path, *arguments: str, status: int = 0
) -> str:
    more = {**grid.settings("USER"), "HXGRID_BRIDGE": wine.bridge}
    more["HXGRID_BRIDGE_ADDRESS"] = grid.local.address
    command = [str(application), str(building.DIGITS), *arguments]
    return wine.run(command, more, status=status)


@pytest.mark.parametrize("way", [[], ["--progress"]], ids=["blocking", "awake"])
def test_a_windows_application_gets_the_same_digits(
    wine: Wine, grid: MixedGrid, tmp_path: Path, way: list[str]
) -> None:
    building.pi_module(tmp_path, for_windows=False, for_here=True)
    application = building.pi_application(tmp_path, "x86_64", wine.libraries)
    grid.agent_here(slots=2)
    out = compute(wine, grid, application, *way)
    assert f"PI=3.{building.expected()}\n" in out
    assert ("189 of 189 digits, 1 agents" in out) == bool(way)


def test_an_application_in_pascal_gets_the_same_digits(
    wine: Wine, grid: MixedGrid, pascal: PascalForWindows, tmp_path: Path
) -> None:
    building.pi_module(tmp_path, for_windows=False, for_here=True)
    building.put_library(tmp_path, wine.libraries)
    source = building.EXAMPLE / "picalculator.pas"
    application = pascal.compile(source, tmp_path / "picalculator.exe")
    grid.agent_here(slots=2)
    task = ("--task", "pi_task_cpp.dll")
    assert f"PI=3.{building.expected()}\n" in compute(wine, grid, application, *task)


@pytest.mark.system("i686-w64-mingw32-g++")
@pytest.mark.skipif(not WINE_32.is_dir(), reason="needs the 32-bit Wine")
def test_a_32_bit_application_works_with_a_64_bit_bridge(
    wine: Wine, grid: MixedGrid, tmp_path: Path
) -> None:
    building.pi_module(tmp_path, for_windows=False, for_here=True)
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    native_building.windows_libraries(libraries, "i686")
    application = building.pi_application(tmp_path, "i686", libraries)
    grid.agent_here(slots=2)
    assert f"PI=3.{building.expected()}\n" in compute(wine, grid, application)


def test_a_missing_module_is_told_on_the_error_output(
    wine: Wine, grid: MixedGrid, tmp_path: Path
) -> None:
    application = building.pi_application(tmp_path, "x86_64", wine.libraries)
    out = compute(wine, grid, application, "--task", "gone.dll", status=1)
    assert "gone.dll" in out
    assert "some digits could not be computed" in out
