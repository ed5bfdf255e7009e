"""NormalMapper's module: what it asks an agent for, what it keeps, and what it lets go.

The host keeps data too, by name. Where a test is about what the module keeps, the host is made to
forget its part first.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hxgrid_examples.normalmapper import flags, generate, library, nmf, plan
from hxgrid_examples.normalmapper.app import prepare
from hxgrid_examples.normalmapper.nm_task import SCENE

from tests.harness.wait import wait_until
from tests.native.driver import SESSION, Driver, ffi

DONE, FAILED, CANCELLED = 0, 1, 4
OTHER_SESSION = SESSION + 1
EDGE = 16
RUN, RUN_OTHER = 1, 2


class Work(NamedTuple):
    """A scene in a file, and tasks with what each of them must give."""

    path: Path
    tasks: list[tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def nm() -> library.Library:
    return library.load()


@pytest.fixture(scope="module")
def works(nm: library.Library, tmp_path_factory: pytest.TempPathFactory) -> list[Work]:
    """Two scenes, whose pictures have no task in common."""
    folder = tmp_path_factory.mktemp("scenes")
    return [make_work(nm, folder, seed) for seed in (1, 2)]


def make_work(nm: library.Library, folder: Path, seed: int) -> Work:
    nmf.write_nmf(folder / "low.nmf", generate.sheet(generate.sphere, 6, 4))
    high = generate.sheet(generate.sphere, 24, 24, generate.waves(24, 24, seed))
    nmf.write_nmf(folder / "high.nmf", high)
    line = f"-1r {folder}/low.nmf {folder}/high.nmf {EDGE} {EDGE} out.tga"
    scene = prepare(nm, flags.parse_positions(line.split()))
    path = folder / f"scene{seed}"
    scene.write(path)
    tasks = []
    for row in plan.tile_grid(EDGE, EDGE, 4):
        tiles = row[None]
        request = plan.Part(tiles, 1.0).request(EDGE, EDGE)
        tasks.append((request, scene.render(EDGE, EDGE, tiles).tobytes()))
    return Work(path, tasks)


class Host:
    """Eight slots that run the module for two sessions, and its export for the end of one."""

    def __init__(self, driver: Driver, module: Path, folder: Path) -> None:
        self.driver = driver
        driver.check(
            driver.lib.hxg_host_open_session(driver.host, OTHER_SESSION, str(folder).encode())
        )
        driver.offer(RUN, module, "RunTask")
        driver.offer(RUN_OTHER, module, "RunTask", OTHER_SESSION)
        # The module as the host has loaded it.
        self._module = ffi.dlopen(str(module))
        self._serial = 0

    @property
    def asked(self) -> list[str]:
        """The names that were asked for, in this order."""
        return [name for _, name in self.driver.wanted]

    def gives(self, path: Path | None) -> None:
        """Answer with this file from now on."""
        self.driver.data = lambda _: None if path is None else str(path)

    def run(self, function: int, request: bytes) -> int:
        """Queue one task."""
        self._serial += 1
        self.driver.run(self._serial, function, request)
        return self._serial

    def is_drawn(self, function: int, work: Work) -> bool:
        """Run all tasks of a picture at once and see whether each gives what it must."""
        serials = [self.run(function, request) for request, _ in work.tasks]
        ended = self.driver.wait_for(*serials)
        return [each.output for each in ended] == [expected for _, expected in work.tasks]

    def outcome(self, function: int, work: Work) -> int:
        """Run one task and return how it ended."""
        (ended,) = self.driver.wait_for(self.run(function, work.tasks[0][0]))
        return ended.outcome

    def end_session(self, session: int) -> None:
        """Call the module's EndSession, which never uses its agent."""
        self._module.EndSession(ffi.NULL, session)

    def views(self, work: Work) -> int:
        """How often this process has the scene in its memory, host and module together."""
        return Path("/proc/self/maps").read_text(encoding="utf-8").count(str(work.path))


@pytest.fixture
def host(nm: library.Library, crowd: Driver, tmp_path: Path) -> Iterator[Host]:
    made = Host(crowd, nm.path, tmp_path)
    yield made
    # Modules stay loaded, so the next test has this one; and here, too, a task may still wait.
    crowd.set_state(crowd.lib.HXG_STATE_ENDING)
    for session in (SESSION, OTHER_SESSION):
        made.end_session(session)


def test_a_session_asks_once_for_many_tasks_in_eight_slots(host: Host, works: list[Work]) -> None:
    serials = [host.run(RUN, request) for request, _ in works[0].tasks]
    wait_until(lambda: len(host.driver.running()) == 8, 10, "all slots to want the scene")
    host.gives(works[0].path)
    ended = host.driver.wait_for(*serials)
    assert [each.output for each in ended] == [expected for _, expected in works[0].tasks]
    assert len({each.thread for each in ended}) > 1
    assert host.asked == [SCENE]


def test_a_session_keeps_its_scene_when_the_computer_does_not(
    host: Host, works: list[Work]
) -> None:
    host.gives(works[0].path)
    assert host.is_drawn(RUN, works[0])
    host.driver.forget(None)
    assert host.views(works[0]) == 1
    assert host.is_drawn(RUN, works[0])
    assert host.asked == [SCENE]


def test_each_session_has_its_own_scene(host: Host, works: list[Work]) -> None:
    for function, work in zip((RUN, RUN_OTHER), works, strict=True):
        host.gives(work.path)
        assert host.is_drawn(function, work)
        host.driver.forget(None)
    assert host.asked == [SCENE, SCENE]
    tasks = [
        (function, *task)
        for function, work in zip((RUN, RUN_OTHER), works, strict=True)
        for task in work.tasks
    ]
    random.Random(1).shuffle(tasks)
    serials = [host.run(function, request) for function, request, _ in tasks]
    ended = host.driver.wait_for(*serials)
    assert [each.output for each in ended] == [expected for _, _, expected in tasks]
    assert host.asked == [SCENE, SCENE]


def test_the_end_of_a_session_lets_its_scene_go_and_no_other(host: Host, works: list[Work]) -> None:
    for function, work in zip((RUN, RUN_OTHER), works, strict=True):
        host.gives(work.path)
        assert host.is_drawn(function, work)
        host.driver.forget(None)
    host.end_session(SESSION)
    assert [host.views(work) for work in works] == [0, 1]
    assert host.is_drawn(RUN_OTHER, works[1])
    assert len(host.asked) == 2


def test_the_host_ends_the_sessions_of_the_module(
    nm: library.Library, works: list[Work], tmp_path: Path
) -> None:
    driver = Driver(threads=8, cache_folder=str(tmp_path))
    host = Host(driver, nm.path, tmp_path)
    for function, work in zip((RUN, RUN_OTHER), works, strict=True):
        host.gives(work.path)
        assert host.is_drawn(function, work)
        driver.forget(None)
    assert [host.views(work) for work in works] == [1, 1]
    driver.close()
    assert [host.views(work) for work in works] == [0, 0]


def test_a_session_with_the_number_of_an_ended_one_asks_anew(host: Host, works: list[Work]) -> None:
    for work in works:
        host.gives(work.path)
        assert host.is_drawn(RUN, work)
        host.end_session(SESSION)
        host.driver.forget(None)
    assert host.asked == [SCENE, SCENE]


def test_an_end_without_a_beginning_does_no_harm(host: Host, works: list[Work]) -> None:
    host.end_session(SESSION)
    host.gives(works[0].path)
    assert host.is_drawn(RUN, works[0])
    host.end_session(OTHER_SESSION)
    host.end_session(0)
    host.driver.forget(None)
    assert host.is_drawn(RUN, works[0])
    assert host.asked == [SCENE]


def test_a_second_end_does_no_harm(host: Host, works: list[Work]) -> None:
    host.gives(works[0].path)
    assert host.is_drawn(RUN, works[0])
    host.end_session(SESSION)
    host.end_session(SESSION)
    assert host.views(works[0]) == 1, "the host's, which is not the module's to let go"
    assert host.is_drawn(RUN, works[0])


def test_after_a_failure_the_next_task_asks_again(
    host: Host, works: list[Work], capfd: pytest.CaptureFixture[str]
) -> None:
    host.gives(None)
    assert host.outcome(RUN, works[0]) == FAILED
    assert SCENE in capfd.readouterr().err
    host.gives(works[0].path)
    assert host.is_drawn(RUN, works[0])
    assert host.asked == [SCENE, SCENE]


def test_an_end_after_a_failure_does_no_harm(host: Host, works: list[Work]) -> None:
    host.gives(None)
    assert host.outcome(RUN, works[0]) == FAILED
    host.end_session(SESSION)
    host.gives(works[0].path)
    assert host.is_drawn(RUN, works[0])


def test_a_task_that_waits_for_another_ones_scene_can_be_cancelled(
    host: Host, works: list[Work]
) -> None:
    request, expected = works[0].tasks[0]
    serials = [host.run(RUN, request) for _ in range(3)]
    wait_until(lambda: len(host.driver.running()) == 3, 10, "all to wait for the scene")
    host.driver.pump(lambda: host.driver.wanted)
    # The first that came asks; whoever that is, the others need not have the scene to end.
    for serial in serials[1:]:
        host.driver.cancel(serial)
    assert {each.outcome for each in host.driver.wait_for(*serials[1:])} == {CANCELLED}
    ((number, _),) = host.driver.wanted
    host.driver.answer(number, str(works[0].path))
    assert host.driver.wait_for(serials[0])[0].output == expected


def test_when_the_asking_task_is_cancelled_another_one_asks(host: Host, works: list[Work]) -> None:
    request, expected = works[0].tasks[0]
    first = host.run(RUN, request)
    host.driver.pump(lambda: host.driver.wanted)
    second = host.run(RUN, request)
    wait_until(lambda: len(host.driver.running()) == 2, 10, "both to wait for the scene")
    host.driver.cancel(first)
    assert host.driver.wait_for(first)[0].outcome == CANCELLED
    ((number, _),) = host.driver.wanted
    host.driver.answer(number, str(works[0].path))
    assert host.driver.wait_for(second)[0].output == expected
