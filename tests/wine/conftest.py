"""Fixtures: a Windows under Wine for all tests of this folder, and grids that it takes part in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.processes import Programs
from tests.native import building
from tests.wine import python
from tests.wine.grids import MixedGrid
from tests.wine.pascal import PascalForWindows, sources
from tests.wine.running import Wine

TEST_LIMIT_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it is slow, and needs the same programs."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(TEST_LIMIT_S))
            item.add_marker(pytest.mark.system("wine", "x86_64-w64-mingw32-g++"))


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """A Windows with Python and hxGrid; everything in it is ended at the end."""
    try:
        home = python.make(building.ROOT / "build" / "wine")
    except python.CannotMake as error:
        pytest.skip(str(error))
    made = Wine(tmp_path_factory.mktemp("wine"), home)
    made.begin()
    yield made
    made.end()


@pytest.fixture(scope="session")
def pascal(tmp_path_factory: pytest.TempPathFactory) -> PascalForWindows:
    """Free Pascal with the units that it needs for Windows."""
    if sources() is None or shutil.which("fpc") is None:
        pytest.skip("needs fpc and fpc-source (make system)")
    return PascalForWindows(tmp_path_factory.mktemp("pascal"))


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts programs on this system, and ends them."""
    with Programs(tmp_path) as made:
        yield made


@pytest.fixture
def grid(programs: Programs) -> MixedGrid:
    """A coordinator."""
    return MixedGrid(programs)
