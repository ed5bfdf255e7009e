"""Fixtures of the program tests: started programs, a test LAN, the public API in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import namespaces, proctree
from tests.harness.lan_grid import LanGrid
from tests.harness.processes import Programs
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_PROGRAMS = pytest.StashKey[Programs]()

TEST_LIMIT_S = 300
"""Tasks run at idle priority: beside busy programs everything here takes many times as long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of running programs more time than others get."""
    for item in items:
        if item.path.parent == Path(__file__).parent and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_LIMIT_S))


@pytest.fixture
def programs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Programs]:
    """Starts programs of the project; all are ended after the test, their logs kept if it fails."""
    with Programs(tmp_path) as programs:
        request.node.stash[_PROGRAMS] = programs
        yield programs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Add to the report of a failed test what its programs said."""
    report = yield
    programs = item.stash.get(_PROGRAMS, None)
    if programs is None and isinstance(item, pytest.Function):  # those of a grid that is shared
        programs = getattr(item.funcargs.get("grid"), "programs", None)
    if report.failed and programs is not None:
        report.sections.extend((f"log of {one.name}", one.log()) for one in programs.started)
    return report


@pytest.fixture
def lan_grid(programs: Programs) -> Iterator[LanGrid]:
    """Four machines on a bridge, and the programs to start on them."""
    namespaces.require_namespaces()
    with namespaces.Lan(4) as lan:
        try:
            yield LanGrid(programs, lan)
        finally:
            programs.stop_all()  # before the machines go


@pytest.fixture
def own_process(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """Lets the test use the public API itself: clean settings, and no child left at the end."""
    for name in [name for name in os.environ if name.startswith("HXGRID_")]:
        monkeypatch.delenv(name)
    for name, value in programs.environment(tmp_path / "home", {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    before = set(proctree.descendants(os.getpid()))

    def left() -> list[Any]:
        of_programs = {one.pid for program in programs.started for one in program.family()}
        return [
            one
            for one in proctree.descendants(os.getpid())
            if one not in before and one.pid not in of_programs
        ]

    yield
    wait_until(lambda: not left(), 10, "no child", seen=lambda: proctree.described(left()))


@pytest.fixture
def write_script(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a small Python program into the folder of the test."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def measured(
    record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> Callable[[str, float], None]:
    """Prints a measured time, also when the test passes, and keeps it in the test report."""

    def say(what: str, seconds: float) -> None:
        record_property(what, seconds)
        with capsys.disabled():
            print(f"  [{what}: {seconds:.1f} s]", end="")  # noqa: T201

    return say
