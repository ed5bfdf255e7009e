"""Who turns the loop."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hxgrid.clock import MonotonicClock
from hxgrid.transport.loop import Loop
from hxgrid.user import helm as rules
from hxgrid.user.helm import Helm
from tests.harness.wait import wait_until

LIMIT_S = 30.0


class Ship:
    """A loop, its helm and its thread; counts turns that another one has interrupted."""

    def __init__(self) -> None:
        self.loop = Loop(MonotonicClock(), "test")
        self.open = 0
        self.is_in_turn = False
        self.broken = 0
        self.turners: set[int] = set()
        self.helm = Helm(self.loop, self, lambda: self.open > 0)
        self.thread = threading.Thread(target=self.helm.run)
        self.thread.start()
        self.ask(lambda: None)  # the helm is in hand

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def next_deadline(self) -> float | None:
        """Nothing is ever due."""
        return None

    def flush(self) -> None:
        """Take a while."""
        self.broken += self.is_in_turn
        self.is_in_turn = True
        self.turners.add(threading.get_ident())
        for _ in range(20):
            assert self.helm.is_mine()
        self.is_in_turn = False

    def ask(self, question: Callable[[], None]) -> None:
        """Have the loop call this, and wait for it."""
        done = threading.Event()
        self.loop.call_soon_threadsafe(question)
        self.loop.call_soon_threadsafe(done.set)
        assert done.wait(LIMIT_S)

    def soon(self, call: Callable[[], None], after_s: float) -> threading.Timer:
        """Have the loop call this in a moment."""
        timer = threading.Timer(after_s, self.loop.call_soon_threadsafe, (call,))
        timer.start()
        return timer

    def turned_here(self) -> bool:
        """Say whether this thread has turned the loop since this was asked last."""
        was = threading.get_ident() in self.turners
        self.turners.clear()
        return was


@pytest.fixture
def ship() -> Iterator[Ship]:
    ship = Ship()
    # The handler that limits the time of tests would keep the main thread from the helm.
    ship.helm.signals = ()
    yield ship
    ship.helm.stop()
    ship.thread.join(LIMIT_S)
    assert not ship.thread.is_alive()
    ship.loop.close()
    assert ship.loop.error_count == 0
    assert not ship.broken


def once(ship: Ship, after_s: float = 0.001) -> None:
    over: list[bool] = []
    ship.soon(lambda: over.append(True), after_s)
    deadline = time.monotonic() + LIMIT_S
    while not over and time.monotonic() < deadline:
        ship.helm.turn_until(lambda: bool(over), deadline)
    assert over


def test_a_waiting_thread_turns_the_loop_and_the_other_takes_it_again(ship: Ship) -> None:
    assert not ship.helm.is_mine()
    ship.turned_here()
    for _ in range(20):
        once(ship)
    assert ship.turned_here()
    assert not ship.helm.is_mine()
    ship.ask(lambda: None)  # nobody waits with turn_until
    wait_until(lambda: ship.thread.ident in ship.turners, LIMIT_S, "the session's thread")


def test_a_wait_that_is_over_turns_nothing(ship: Ship) -> None:
    ship.turned_here()
    ship.helm.turn_until(lambda: True, None)
    assert not ship.turned_here()


def test_a_deadline_ends_it_and_work_that_is_left_calls_the_thread_back(ship: Ship) -> None:
    ship.open = 1
    began = time.monotonic()
    ship.helm.turn_until(lambda: False, began + 0.05)
    assert 0.05 <= time.monotonic() - began < LIMIT_S
    ship.helm.turn_until(lambda: False, time.monotonic() - 1.0)
    ship.ask(lambda: None)


def lent(ship: Ship) -> None:
    """Have the helm stay with the application's threads until somebody calls back."""
    ship.helm.keep_s = 1e9
    takes(ship)


def test_a_command_calls_the_thread_back_at_once(ship: Ship) -> None:
    lent(ship)
    for _ in range(3):
        ship.ask(lambda: None)
        once(ship)


def test_whoever_waits_in_another_way_calls_it_back(ship: Ship) -> None:
    lent(ship)
    done: list[bool] = []
    ship.loop.call_in_turn(lambda: done.append(True))
    ship.helm.call_back()
    wait_until(lambda: bool(done), LIMIT_S, "the session's thread")


def test_a_command_that_comes_while_the_helm_is_left_is_not_forgotten(ship: Ship) -> None:
    lent(ship)
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        done = threading.Event()
        timer = ship.soon(done.set, 0.0005)
        ship.helm.turn_until(lambda: True, None)
        ship.helm.turn_until(lambda: False, time.monotonic() + 0.0005)
        assert done.wait(LIMIT_S)
        timer.join()


def test_no_time_is_no_turn(ship: Ship) -> None:
    takes(ship)
    ship.turned_here()
    ship.helm.turn_until(lambda: False, time.monotonic())
    assert not ship.turned_here()


def test_a_second_thread_does_not_wait_for_the_helm(ship: Ship) -> None:
    entered, leaves = threading.Event(), threading.Event()

    def is_over() -> bool:
        entered.set()
        return leaves.is_set()

    thread = threading.Thread(target=ship.helm.turn_until, args=(is_over, None))
    thread.start()
    assert entered.wait(LIMIT_S)
    began = time.monotonic()
    for _ in range(100):
        ship.helm.turn_until(lambda: False, time.monotonic() + LIMIT_S)
    assert time.monotonic() - began < 100 * rules.HAND_OVER_S
    leaves.set()
    ship.loop.wake()
    thread.join(LIMIT_S)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks there")
def test_a_child_forked_in_the_middle_of_a_turn_hears_ctrl_c(ship: Ship) -> None:
    statuses: list[int] = []

    def fork() -> None:
        child = os.fork()
        if not child:
            os._exit(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    takes(ship)
    thread = threading.Thread(target=fork)

    def is_over() -> bool:
        if not thread.ident:
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            thread.start()
        return bool(statuses)

    deadline = time.monotonic() + LIMIT_S
    while not statuses and time.monotonic() < deadline:
        ship.helm.turn_until(is_over, time.monotonic() + 1.0)
    thread.join(LIMIT_S)
    assert statuses == [1]


def test_one_thread_at_a_time(ship: Ship) -> None:
    until = time.monotonic() + 1.0
    errors: list[BaseException] = []

    def wait_often(seed: int) -> None:
        chance = random.Random(seed)
        try:
            while time.monotonic() < until:
                once(ship, chance.choice((0.0, 0.0005, 0.004)))
        except BaseException as error:  # noqa: BLE001 - said by the other thread
            errors.append(error)

    threads = [threading.Thread(target=wait_often, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert not errors
    assert len(ship.turners) > 1


def test_stopping_while_another_thread_turns(ship: Ship) -> None:
    entered, left = threading.Event(), threading.Event()

    def is_over() -> bool:
        entered.set()
        return False

    def wait() -> None:
        ship.helm.turn_until(is_over, None)
        left.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert entered.wait(LIMIT_S)
    ship.helm.stop()
    assert left.wait(LIMIT_S)
    thread.join(LIMIT_S)


def turn_until_interrupted(ship: Ship, killer: threading.Timer) -> None:
    killer.start()  # in here: it may come at once
    while True:
        ship.soon(lambda: None, 0.0005)
        ship.helm.turn_until(lambda: False, time.monotonic() + 0.001)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_an_interrupt_is_raised_between_turns(ship: Ship) -> None:
    """In the main thread Ctrl-C may come at any instruction; no turn may be cut in two."""
    chance = random.Random(1)
    for _ in range(60):
        pause_s = chance.uniform(0.0, 0.003)
        killer = threading.Timer(pause_s, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            turn_until_interrupted(ship, killer)
        killer.join()
        assert not ship.helm.is_mine()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ship.ask(lambda: None)
    assert not ship.broken


def turns(ship: Ship, seconds: float = 0.01) -> bool:
    """Say whether this thread takes the helm."""
    ship.turned_here()
    ship.helm.turn_until(lambda: False, time.monotonic() + seconds)
    return ship.turned_here()


def takes(ship: Ship) -> None:
    wait_until(lambda: turns(ship), LIMIT_S, "the helm")


def test_where_something_could_be_raised_in_the_middle_the_loop_is_left_alone(
    ship: Ship,
) -> None:
    takes(ship)
    sys.setprofile(lambda *_: None)
    try:
        assert not turns(ship, 0.1)
    finally:
        sys.setprofile(None)
    takes(ship)
    ship.helm.signals = (signal.SIGTERM,)
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.signal(number, lambda *_: None)
        try:
            assert not turns(ship, 0.1)
        finally:
            signal.signal(number, before)
        takes(ship)


def test_a_stack_that_is_nearly_used_up(ship: Ship) -> None:
    answers: list[bool] = []

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            answers.append(turns(ship, 0.2))

    deep(sys.getrecursionlimit() - 250)
    assert answers == [False]
    takes(ship)
