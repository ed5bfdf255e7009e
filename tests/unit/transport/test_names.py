"""Looking up names: until they are known, for the last who asked, and in its loop's thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from hxgrid.clock import MonotonicClock
from hxgrid.transport import names
from hxgrid.transport.loop import Loop
from tests.harness.wait import wait_until

LIMIT_S = 20.0


class Bench:
    """A lookup on a loop that is turned by hand, and a name service that does what it is told."""

    def __init__(self) -> None:
        self.loop = Loop(MonotonicClock(), "test")
        self.heard: list[tuple[str, str, int]] = []
        self.asked: list[str] = []
        self.troubles: dict[str, str] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.lookup = names.NameLookup(self.loop, self._hear, look_up=self._look_up)

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None:
        """Nothing gathers here."""

    def wait(self, count: int) -> list[tuple[str, str]]:
        def is_heard() -> bool:
            self.loop.turn(self, 0.01)
            return len(self.heard) >= count

        wait_until(is_heard, LIMIT_S, f"{count} results", seen=lambda: self.heard)
        assert {thread for _, _, thread in self.heard} == {threading.get_ident()}
        return [(host, trouble) for host, trouble, _ in self.heard]

    def close(self) -> None:
        self.gate.set()
        self.lookup.close()
        wait_until(lambda: not searching(), LIMIT_S, "all look-ups to end")
        self.loop.close()

    def _hear(self, host: str, trouble: str) -> None:
        self.heard.append((host, trouble, threading.get_ident()))

    def _look_up(self, host: str) -> str:
        self.asked.append(host)
        assert self.gate.wait(LIMIT_S)
        return self.troubles.get(host, "")


def searching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "hxgrid-name"]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(names, "PAUSE_S", 0.01)
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("studio-pc", True),
        ("studio.example", True),
        ("1.2.3.4.5", True),
        ("localhost", False),
        ("127.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_numbers_and_we_ourselves_are_no_names(host: str, expected: bool) -> None:
    assert names.is_name(host) is expected


def test_the_trouble_with_a_name_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert names.look_up("localhost") == ""
    assert names.look_up("a..b") == "no name is written like this"
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert names.look_up("studio-pc") == "Name or service not known"


def test_a_known_name_is_looked_up_once(bench: Bench) -> None:
    bench.lookup.begin("studio-pc")
    assert bench.wait(1) == [("studio-pc", "")]
    wait_until(lambda: not searching(), LIMIT_S, "the look-up to end")
    assert bench.asked == ["studio-pc"]


def test_an_unknown_name_is_looked_up_until_it_is_known(bench: Bench) -> None:
    bench.troubles["studio-pc"] = "nobody knows it"
    bench.lookup.begin("studio-pc")
    bench.lookup.begin("studio-pc")
    bench.wait(3)
    assert len(searching()) == 1
    bench.troubles.clear()
    wait_until(lambda: not searching(), LIMIT_S, "the look-up to end")
    bench.loop.turn(bench, 0.01)
    heard = [(host, trouble) for host, trouble, _ in bench.heard]
    assert heard[:3] == [("studio-pc", "nobody knows it")] * 3
    assert heard[-1] == ("studio-pc", "")


def test_a_number_is_not_looked_up(bench: Bench) -> None:
    bench.lookup.begin("192.0.2.1")
    assert not searching()


def test_what_nobody_wants_to_know_any_more_is_not_told(bench: Bench) -> None:
    bench.gate.clear()
    bench.lookup.begin("old-pc")
    bench.lookup.begin("studio-pc")
    bench.gate.set()
    assert bench.wait(1) == [("studio-pc", "")]
    wait_until(lambda: not searching(), LIMIT_S, "both look-ups to end")
    bench.loop.turn(bench, 0.01)
    assert len(bench.heard) == 1


def test_a_closed_lookup_says_nothing(bench: Bench) -> None:
    bench.gate.clear()
    bench.lookup.begin("studio-pc")
    bench.lookup.close()
    bench.lookup.close()
    bench.gate.set()
    wait_until(lambda: not searching(), LIMIT_S, "the look-up to end")
    bench.loop.turn(bench, 0.01)
    assert bench.heard == []


def test_the_error_says_what_where_why_and_what_to_do() -> None:
    error = names.unknown_name("studio-pc", "nobody knows it", "/etc/hxgrid.toml:3")
    assert str(error) == (
        "the coordinator's name 'studio-pc' cannot be resolved (/etc/hxgrid.toml:3): "
        "nobody knows it. Check its spelling, or give the address of the coordinator's computer "
        "as a number."
    )
