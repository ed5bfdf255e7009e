"""hxgrid::PerSession: what tasks of a session share, made by the first while the others wait.

The host keeps data too, by name. Where a test is about what the module keeps, the host is made to
forget its part first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness.wait import wait_until
from tests.native import building
from tests.native.driver import SESSION, Driver, ffi

pytestmark = pytest.mark.system("g++")

DONE, FAILED, CANCELLED = 0, 1, 4
OTHER_SESSION = SESSION + 1
SHARE, SHARE_OTHER, BY_NAME, OVER_THE_END = range(1, 5)


class Shared(NamedTuple):
    """What a task got: the how many-th that was made, and its bytes."""

    number: int
    content: bytes


class Host:
    """Eight slots that run the module for two sessions, and its export for the end of one."""

    def __init__(self, driver: Driver, module: Path, folder: Path) -> None:
        self.driver = driver
        self.folder = folder
        driver.check(
            driver.lib.hxg_host_open_session(driver.host, OTHER_SESSION, str(folder).encode())
        )
        driver.offer(SHARE, module, "Share")
        driver.offer(SHARE_OTHER, module, "Share", OTHER_SESSION)
        driver.offer(BY_NAME, module, "ShareByName")
        driver.offer(OVER_THE_END, module, "KeepsOverTheEnd")
        # The module as the host has loaded it.
        self._module = ffi.dlopen(str(module))
        self._serial = 0

    @property
    def asked(self) -> list[str]:
        """The names that were asked for, in this order."""
        return [name for _, name in self.driver.wanted]

    def file(self, name: str) -> str:
        """Return the path of a file whose content is its name."""
        path = self.folder / name
        path.write_text(name, encoding="utf-8")
        return str(path)

    def gives(self) -> None:
        """Answer every name with its file from now on."""
        self.driver.data = self.file

    def answer(self, index: int, path: str | None) -> None:
        """Answer one question that is open."""
        self.driver.answer(self.driver.wanted[index][0], path)

    def run(self, function: int, name: str = "name") -> int:
        """Queue one task."""
        self._serial += 1
        self.driver.run(self._serial, function, name.encode())
        return self._serial

    def begin(self, count: int, function: int = SHARE, name: str = "name") -> list[int]:
        """Queue tasks, and wait until all of them run and one has asked for what nobody has."""
        before = len(self.driver.wanted), len(self.driver.running())
        serials = [self.run(function, name) for _ in range(count)]
        wait_until(lambda: len(self.driver.running()) == before[1] + count, 10, "all to run")
        self.driver.pump(lambda: len(self.driver.wanted) > before[0])
        return serials

    def get(self, *serials: int) -> list[Shared]:
        """Wait for the outputs of tasks, which must not fail."""
        ended = self.driver.wait_for(*serials)
        assert {each.outcome for each in ended} == {DONE}
        return [
            Shared(*struct.unpack_from("<I", each.output), each.output[4:])  # type: ignore[call-arg]
            for each in ended
        ]

    def call(self, function: int, name: str = "name") -> Shared:
        """Run one task and return what it got."""
        return self.get(self.run(function, name))[0]

    def outcomes(self, *serials: int) -> list[int]:
        """Wait for tasks and return how they ended."""
        return [each.outcome for each in self.driver.wait_for(*serials)]

    def end_session(self, session: int = SESSION) -> None:
        """Call the module's EndSession, which never uses its agent."""
        self._module.EndSession(ffi.NULL, session)

    def views(self, name: str) -> int:
        """How often this process has data in its memory, host and module together."""
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
        return maps.count(str(self.folder / name))


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharing")
    return building.cpp_module(folder, building.MODULES / "sharing.cpp")


@pytest.fixture
def host(crowd: Driver, module: Path, tmp_path: Path) -> Iterator[Host]:
    made = Host(crowd, module, tmp_path)
    yield made
    # Modules stay loaded, so the next test has this one; and here, too, a task may still wait.
    crowd.set_state(crowd.lib.HXG_STATE_ENDING)
    for session in (SESSION, OTHER_SESSION):
        made.end_session(session)


def test_the_first_task_makes_what_all_others_get(host: Host) -> None:
    serials = host.begin(8)
    serials += [host.run(SHARE) for _ in range(20)]
    host.gives()
    host.answer(0, host.file("name"))
    assert len(set(host.get(*serials))) == 1
    host.driver.forget(None)
    assert host.call(SHARE) == host.get(serials[0])[0]
    assert host.asked == ["name"]
    assert host.views("name") == 1


def test_a_failure_is_of_the_task_that_made_it_and_the_next_tries_again(host: Host) -> None:
    host.driver.data = lambda _: None
    assert host.outcomes(host.run(SHARE)) == [FAILED]
    host.gives()
    assert host.call(SHARE).content == b"name"
    assert host.asked == ["name", "name"]


def test_after_a_failure_one_of_those_who_wait_tries_again(host: Host) -> None:
    serials = host.begin(3)
    host.answer(0, None)
    host.driver.pump(lambda: len(host.driver.wanted) == 2)
    host.answer(1, host.file("name"))
    assert sorted(host.outcomes(*serials)) == [DONE, DONE, FAILED]


def test_a_task_that_waits_can_be_cancelled_while_another_one_still_asks(host: Host) -> None:
    (asking,) = host.begin(1)
    waiting = [host.run(SHARE) for _ in range(2)]
    wait_until(lambda: len(host.driver.running()) == 3, 10, "all to run")
    for serial in waiting:
        host.driver.cancel(serial)
    assert host.outcomes(*waiting) == [CANCELLED, CANCELLED]
    assert asking in host.driver.running()
    host.answer(0, host.file("name"))
    assert host.get(asking)[0].content == b"name"


def test_when_the_asking_task_is_cancelled_one_that_waits_asks(host: Host) -> None:
    (first,) = host.begin(1)
    second = host.run(SHARE)
    wait_until(lambda: len(host.driver.running()) == 2, 10, "both to run")
    host.driver.cancel(first)
    assert host.outcomes(first) == [CANCELLED]
    host.answer(0, host.file("name"))
    assert host.get(second)[0].content == b"name"


def test_a_session_does_not_wait_for_another_one(host: Host) -> None:
    slow = host.begin(3, SHARE, "slow")
    quick = host.begin(3, SHARE_OTHER, "quick")
    host.answer(1, host.file("quick"))
    assert {each.content for each in host.get(*quick)} == {b"quick"}
    host.answer(0, host.file("slow"))
    assert {each.content for each in host.get(*slow)} == {b"slow"}
    # Each has its own from now on, whatever they ask for.
    assert host.call(SHARE, "any").content == b"slow"
    assert host.call(SHARE_OTHER, "any").content == b"quick"


def test_the_end_of_a_session_lets_go_of_its_own_and_no_other(host: Host) -> None:
    host.gives()
    before = host.call(SHARE, "one"), host.call(SHARE_OTHER, "two")
    host.driver.forget(None)
    host.end_session()
    assert [host.views("one"), host.views("two")] == [0, 1]
    assert host.call(SHARE_OTHER, "two") == before[1]
    assert host.call(SHARE, "one").number > before[0].number


def test_an_end_without_a_beginning_and_a_second_end_do_no_harm(host: Host) -> None:
    host.end_session()
    host.gives()
    before = host.call(SHARE)
    host.end_session(0)
    host.end_session(OTHER_SESSION)
    assert host.call(SHARE) == before
    host.end_session()
    host.end_session()
    assert host.call(SHARE).number > before.number


def test_an_end_after_a_failure_does_no_harm(host: Host) -> None:
    host.driver.data = lambda _: None
    assert host.outcomes(host.run(SHARE)) == [FAILED]
    host.end_session()
    host.gives()
    assert host.call(SHARE).content == b"name"


def test_what_a_task_has_outlives_the_end_of_the_session(host: Host) -> None:
    host.gives()
    ended = host.driver.wait_for(host.run(OVER_THE_END))[0]
    before, first, after, second = struct.unpack("<I4sI4s", ended.output)
    assert (first, second) == (b"name", b"name")
    assert after == before + 1


def test_what_is_made_when_the_session_has_ended_is_not_kept(host: Host) -> None:
    serials = host.begin(2)
    host.end_session()
    host.answer(0, host.file("name"))
    made = set(host.get(*serials))
    assert len(made) == 1
    host.driver.forget(None)
    assert host.views("name") == 0
    host.gives()
    assert host.call(SHARE) not in made


def test_of_several_names_the_one_that_was_wanted_last_is_kept(host: Host) -> None:
    host.gives()
    first = host.call(BY_NAME, "one")
    second = host.call(BY_NAME, "two")
    assert (first.content, second.content) == (b"one", b"two")
    host.driver.forget(None)
    assert [host.views("one"), host.views("two")] == [0, 1]
    assert host.call(BY_NAME, "two") == second
    assert host.call(BY_NAME, "one").number > second.number


def test_who_waits_for_a_name_gets_it_although_another_is_wanted_meanwhile(host: Host) -> None:
    first = host.begin(3, BY_NAME, "one")
    second = host.begin(3, BY_NAME, "two")
    host.answer(1, host.file("two"))
    assert {each.content for each in host.get(*second)} == {b"two"}
    host.answer(0, host.file("one"))
    assert {each.content for each in host.get(*first)} == {b"one"}
    assert len(set(host.get(*first))) == 1
    assert host.asked == ["one", "two"]


def test_a_name_that_fails_does_not_take_the_newer_one_with_it(host: Host) -> None:
    (first,) = host.begin(1, BY_NAME, "one")
    (second,) = host.begin(1, BY_NAME, "two")
    host.answer(1, host.file("two"))
    kept = host.get(second)[0]
    host.answer(0, None)
    assert host.outcomes(first) == [FAILED]
    assert host.call(BY_NAME, "two") == kept
