"""What `hxgrid doctor` tries out: broadcasts, ports, agents' addresses, one task.

Each probe uses the parts that a session uses, one at a time, so that what fails here is what would
fail there.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.errors import HxGridError
from hxgrid.transport.beacon import Answer, BeaconClient
from hxgrid.transport.dialling import Proved
from hxgrid.transport.loop import Loop
from hxgrid.transport.seeking import SEEK_LIMIT_S, Seeker
from hxgrid.transport.sockets import SocketFactory

if TYPE_CHECKING:
    from hxgrid.settings import UserSettings
    from hxgrid.transport.security import Security
    from hxgrid.wire.messages import NetworkAddress, RosterEntry

TCP_LIMIT_S: Final = 3.0
TASK_LIMIT_S: Final = 20.0
TASK_FILE = Path(__file__).with_name("doctor_task.py")


class Answered(NamedTuple):
    """What became of a question by broadcast."""

    interface_count: int
    """Network cards on which it went out."""
    coordinators: tuple[tuple[str, Answer], ...]
    """Host and answer of each, in the order in which they came."""


class Reached(NamedTuple):
    """What became of one address of an agent."""

    address: str
    is_right: bool
    text: str
    after_s: float


class _Turning:
    """A loop that is turned by hand; the tick is for whatever is being tried."""

    def __init__(self) -> None:
        self.clock = MonotonicClock()
        self.loop = Loop(self.clock, "probe")
        self._tick: Callable[[float], None] = lambda _now: None

    def turn_until(
        self,
        is_over: Callable[[], bool],
        limit_s: float,
        tick: Callable[[float], None] | None = None,
    ) -> None:
        if tick is not None:
            self._tick = tick
        deadline = time.monotonic() + limit_s
        while not is_over() and (left_s := deadline - time.monotonic()) > 0:
            self.loop.turn(self, min(left_s, 0.1))

    def tick(self, now: float) -> None:
        self._tick(now)

    def next_deadline(self) -> float | None:
        return self.clock.now() + 0.1

    def flush(self) -> None:
        """Nothing gathers here."""


def ask_by_broadcast(settings: UserSettings, *, is_loopback_only: bool) -> Answered:
    """Ask on every interface and collect the answers for as long as a session would."""
    turning = _Turning()
    found: dict[str, tuple[str, Answer]] = {}

    def on_answer(answer: Answer, host: str) -> None:
        found.setdefault(answer.boot_id, (host, answer))

    client = BeaconClient(turning.loop, "user", settings.beacon_port, on_answer)
    try:
        count = client.ask(is_loopback_only=is_loopback_only)
        turning.turn_until(lambda: False, settings.discover_s)
    finally:
        client.close()
        turning.loop.close()
    return Answered(count, tuple(found.values()))


def try_port(host: str, port: int) -> str:
    """Connect by TCP; return what is wrong, or nothing."""
    try:
        with socket.create_connection((host, port), TCP_LIMIT_S):
            return ""
    except TimeoutError:
        return "no answer: a firewall drops it, or the computer is off"
    except ConnectionRefusedError:
        return "refused: the computer is there, but nothing listens on this port"
    except socket.gaierror as error:
        return f"this name is not known: {error.strerror}"
    except OSError as error:
        return error.strerror or str(error)


def reach_agent(entry: RosterEntry, security: Security) -> list[Reached]:
    """Try every address of an agent, all at once; who answers must be the right one."""
    turning = _Turning()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    factory = SocketFactory(context, security)
    reached: dict[int, Reached] = {}
    seekers = [
        _seeker(number, address, entry, turning, reached)
        for number, address in enumerate(entry.addresses)
    ]

    def tick(now: float) -> None:
        for number, seeker in enumerate(seekers):
            if number not in reached:
                seeker.tick(now)

    try:
        for seeker, address in zip(seekers, entry.addresses, strict=True):
            seeker.start(factory, [address])
        turning.turn_until(lambda: len(reached) == len(seekers), SEEK_LIMIT_S + 1.0, tick)
    finally:
        for seeker in seekers:
            seeker.close()
        turning.loop.close()
        context.destroy(linger=0)
    return [reached[number] for number in sorted(reached)]


def _seeker(
    number: int,
    address: NetworkAddress,
    entry: RosterEntry,
    turning: _Turning,
    reached: dict[int, Reached],
) -> Seeker:
    shown = f"{address.host}:{address.port}"
    started_at = time.monotonic()

    def on_found(found: Proved) -> None:
        found.socket.close(0)
        reached[number] = Reached(shown, True, "", time.monotonic() - started_at)

    def on_given_up(why: str) -> None:
        text = why.removeprefix(f"{shown}: ")
        if text == "no answer":
            text = try_port(address.host, address.port) or "something else listens there"
        reached[number] = Reached(shown, False, text, time.monotonic() - started_at)

    return Seeker(turning.loop, entry, turning.clock.now(), on_found, on_given_up)


def run_one_task(entry: RosterEntry, settings: UserSettings, security: Security) -> str:
    """Run a task on this agent and no other; return what is wrong, or nothing."""
    from hxgrid.user.session import Session

    session = Session(settings, security)
    try:
        session.open([entry], TASK_LIMIT_S)
        task = session.run_task(TASK_FILE, "turn_around", b"doctor")
        assert task is not None
        try:
            output = task.result(TASK_LIMIT_S).read()
        except TimeoutError:
            return task.why()
        return "" if output == b"rotcod" else f"its answer is wrong: {output[:100]!r}"
    except HxGridError as error:
        return error.headline
    finally:
        session.close(cancel=True)
