"""Fixtures: compiled modules, and hosts that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.native import building
from tests.native.driver import Driver, open_library


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module with one task for each thing that a task can do."""
    return building.c_module(tmp_path_factory.mktemp("plain"), "plain.c")


@pytest.fixture(scope="session")
def lib() -> Any:
    """The task library."""
    return open_library()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """A host with one task thread."""
    made = Driver(cache_folder=str(tmp_path))
    yield made
    # A test that has failed may have left tasks that wait for their end.
    made.set_state(made.lib.HXG_STATE_ENDING)
    made.close()


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Driver]:
    """A host with eight task threads."""
    made = Driver(threads=8, cache_folder=str(tmp_path))
    yield made
    # A test that has failed may have left tasks that wait for their end.
    made.set_state(made.lib.HXG_STATE_ENDING)
    made.close()
