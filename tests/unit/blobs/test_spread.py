"""The user's choice of who gets a large blob from whom."""

from __future__ import annotations

import random
import time

import pytest

from hxgrid.blobs.spread import (
    MAX_DIRECT,
    MAX_FAILURES,
    REMIND_S,
    SPREAD_FROM_BYTES,
    Ask,
    Refer,
    Serve,
    Spread,
    Wait,
)

MIB = 1024 * 1024
BLOB, OTHER = "a" * 64, "b" * 64


class Rig:
    """A spread with agents named by numbers, checked after each step."""

    def __init__(self, agents: int, places: int = 4) -> None:
        self.spread = Spread()
        self.requests = 0
        for number in range(agents):
            self.spread.joined(str(number), places)

    def ask(
        self, agent: int, *, size: int = 200 * MIB, digest: str = BLOB, failed: tuple[int, ...] = ()
    ) -> str:
        """Return who serves: "user", "wait" or an agent's number."""
        self.requests += 1
        ask = Ask(str(agent), self.requests, digest, size, failed=tuple(map(str, failed)))
        decision = self.spread.asked(ask, 0.0)[-1]
        self.spread.check()
        assert decision.ask is ask
        match decision:
            case Serve():
                return "user"
            case Refer(_, neighbour):
                return neighbour
            case Wait():
                return "wait"


def test_the_first_is_served_by_the_user_and_the_others_stand_in_line() -> None:
    rig = Rig(9)
    assert [rig.ask(agent) for agent in range(9)] == ["user", *map(str, range(8))]


def test_a_small_blob_comes_from_the_user() -> None:
    rig = Rig(3)
    assert [rig.ask(agent, size=SPREAD_FROM_BYTES - 1) for agent in range(3)] == ["user"] * 3


def test_agents_that_serve_nobody_are_not_named() -> None:
    rig = Rig(3, places=0)
    assert [rig.ask(agent) for agent in range(3)] == ["user"] * 3


def test_a_line_longer_than_the_blob_becomes_a_tree() -> None:
    rig = Rig(40)
    served = [rig.ask(agent, size=2 * MIB) for agent in range(40)]
    assert served.count("user") <= 4
    assert max(served.count(str(agent)) for agent in range(40)) in (2, 3)


def test_nobody_serves_more_neighbours_than_it_wants_to() -> None:
    rig = Rig(200, places=2)
    served = [rig.ask(agent, size=SPREAD_FROM_BYTES) for agent in range(200)]
    assert max(served.count(str(agent)) for agent in range(200)) <= 2


def test_whoever_has_the_blob_is_named_before_those_that_are_getting_it() -> None:
    rig = Rig(4)
    assert rig.ask(0) == "user"
    rig.spread.held("3", BLOB, 200 * MIB)
    assert rig.ask(1) == "3"


def test_a_pair_that_did_not_come_together_is_not_tried_again() -> None:
    rig = Rig(3)
    rig.ask(0)
    assert rig.ask(1) == "0"
    assert rig.ask(1, failed=(0,)) == "user"
    assert rig.ask(0, digest=OTHER) == "user"
    assert rig.ask(1, digest=OTHER) == "user"
    assert rig.ask(2) in "01"


def test_whoever_has_failed_with_several_is_served_by_the_user() -> None:
    rig = Rig(8)
    for agent in range(6):
        rig.ask(agent)
    failed: tuple[int, ...] = ()
    while (who := rig.ask(7, failed=failed)) != "user":
        failed = (*failed, int(who))
    assert len(failed) <= MAX_FAILURES


def test_an_agent_about_whom_several_complain_is_not_named_any_more() -> None:
    rig = Rig(9)
    rig.spread.held("0", BLOB, 200 * MIB)
    for agent in range(1, 1 + MAX_FAILURES):
        rig.ask(agent, failed=(0,))
    assert "0" not in [rig.ask(agent) for agent in range(4, 9)]


def test_one_whom_it_has_served_clears_it_of_complaints() -> None:
    rig = Rig(9)
    rig.spread.held("0", BLOB, 200 * MIB)
    for agent in range(1, MAX_FAILURES):
        rig.ask(agent, failed=(0,))
    assert rig.ask(4) == "0"
    rig.spread.held("4", BLOB, 200 * MIB)
    rig.ask(5, failed=(0,))
    rig.ask(6, digest=OTHER)
    rig.spread.held("0", OTHER, 200 * MIB)
    assert rig.ask(7, digest=OTHER) == "0"


def test_nobody_is_sent_to_one_that_gets_the_blob_from_itself() -> None:
    rig = Rig(5)
    for agent in range(5):
        rig.ask(agent)
    # 1 leaves 0: the line behind it, 2 to 4, hangs on 1.
    assert rig.ask(1, failed=(0,)) == "user"


def test_those_who_got_it_from_one_that_is_gone_are_served_elsewhere() -> None:
    rig = Rig(4)
    for agent in range(4):
        rig.ask(agent)
    rig.spread.gone("1")
    rig.spread.check()
    assert rig.ask(2, failed=(1,)) == "0"


def test_h19_the_user_sends_to_few_at_a_time_and_the_others_wait_in_order() -> None:
    rig = Rig(1000)
    answers = [rig.ask(agent, size=1000) for agent in range(1000)]
    assert answers == ["user"] * MAX_DIRECT + ["wait"] * (1000 - MAX_DIRECT)
    order = []
    for request in range(1, 1001):
        started = rig.spread.sent(str(request - 1), request)
        order += [int(each.ask.agent) for each in started if isinstance(each, Serve)]
        rig.spread.check()
    assert order == list(range(MAX_DIRECT, 1000))


def test_those_who_wait_are_reminded_until_it_is_their_turn() -> None:
    rig = Rig(MAX_DIRECT + 1)
    for agent in range(MAX_DIRECT + 1):
        rig.ask(agent, size=1000)
    assert rig.spread.tick(REMIND_S / 2) == []
    (reminder,) = rig.spread.tick(REMIND_S)
    assert isinstance(reminder, Wait)
    assert reminder.ask.agent == str(MAX_DIRECT)
    rig.spread.sent("0", 1)
    assert rig.spread.tick(2 * REMIND_S) == []
    assert rig.spread.next_deadline() is None


def test_asking_again_does_not_take_a_second_place() -> None:
    rig = Rig(MAX_DIRECT + 2)
    for agent in range(MAX_DIRECT + 2):
        rig.ask(agent, size=1000)
    assert rig.ask(MAX_DIRECT, size=1000) == "wait"
    assert rig.spread.waiting_count == 2
    assert rig.ask(0, size=1000) == "wait"  # its transfer is over; those before it have waited
    assert rig.spread.waiting_count == 2


def test_a_lost_connection_gives_its_place_to_the_next() -> None:
    rig = Rig(MAX_DIRECT + 1)
    for agent in range(MAX_DIRECT + 1):
        rig.ask(agent, size=1000)
    (started,) = rig.spread.gone("3")
    assert isinstance(started, Serve)
    assert started.ask.agent == str(MAX_DIRECT)


def test_h19_ten_thousand_agents_are_brought_together_quickly() -> None:
    rig = Rig(0)
    for agent in range(10_000):
        rig.spread.joined(str(agent), 4)
    began = time.process_time()
    for agent in range(10_000):
        rig.spread.asked(Ask(str(agent), agent, BLOB, 10 * MIB), 0.0)
    # Half a second here; each of them looking at all others would take minutes.
    assert time.process_time() - began < 20.0


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_events_leaves_the_books_right(seed: int) -> None:
    chance = random.Random(seed)
    rig = Rig(30, places=2)
    for _ in range(400):
        agent = chance.randrange(30)
        match chance.randrange(6):
            case 0:
                rig.spread.gone(str(agent))
                rig.spread.joined(str(agent), chance.randrange(3))
            case 1:
                rig.spread.held(str(agent), chance.choice((BLOB, OTHER)), 5 * MIB)
            case 2:
                rig.spread.sent(str(agent), chance.randrange(1 + rig.requests))
            case 3:
                rig.spread.renewed(str(agent))
            case _:
                failed = tuple(chance.sample(range(30), chance.randrange(4)))
                size = chance.choice((1000, MIB, 50 * MIB))
                rig.ask(agent, digest=chance.choice((BLOB, OTHER)), size=size, failed=failed)
        rig.spread.check()
