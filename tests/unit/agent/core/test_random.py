"""Random events against the core: its books must balance and no attempt may be lost."""

from __future__ import annotations

import random

import pytest

from hxgrid.wire.batches import Key
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.attempt import Phase
from tests.unit.agent.core.rig import Rig, User


class Chaos:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rig = Rig(slots=3, spare_processes=2, max_parked_processes=1, suspend_s=5.0)
        self.users: list[User] = []
        for letter in "abc":
            user = self.rig.user(letter, lease_s=3600.0, weight=self.chance.choice((1.0, 2.0)))
            user.offer()
            self.users.append(user)
        self.task = 0
        self.sent: dict[tuple[str, Key], int] = {}

    def step(self) -> None:
        chance = self.chance
        user = chance.choice(self.users)
        match chance.randrange(10):
            case 0 | 1 | 2:
                tasks = range(self.task, self.task + chance.randrange(1, 9))
                self.task = tasks.stop
                for task in tasks:
                    self.sent[(user.id, (task, 1))] = 0
                user.send(*tasks)
            case 3 | 4 | 5 | 6:
                self.finish_some()
            case 7:
                user.recall(*self.some_of(user))
            case 8:
                user.cancel(*self.some_of(user))
            case _:
                self.trouble(user)
        self.rig.wait(chance.choice((0.0, 0.001, 0.03, 0.4)))
        self.collect()

    def finish_some(self) -> None:
        for process in list(self.rig.core.table.processes.values()):
            count = self.chance.randrange(len(process.handed) + 1)
            took_s = self.chance.choice((0.0001, 0.0001, 0.01))
            records = [self.rig.record(key[0], took_s) for key in list(process.handed)[:count]]
            if records:
                self.rig.handle(ev.AttemptsEnded(process.number, records, {}))

    def some_of(self, user: User) -> list[int]:
        attempts = list(self.rig.core.table.by_id[user.id].attempts)
        return [key[0] for key in attempts if self.chance.random() < 0.2]

    def trouble(self, user: User) -> None:
        chance = self.chance
        rig = self.rig
        match chance.randrange(4):
            case 0:
                busy = [p for p in rig.core.table.processes.values() if p.handed]
                if busy:
                    process = chance.choice(busy)
                    rig.die(process, chance.choice([None, *process.handed]))
            case 1:
                until = rig.now + 1.0 if chance.random() < 0.5 else None
                rig.handle(ev.OwnerWishes(until, is_draining=chance.random() < 0.2))
            case 2:
                user.hello(peer=chance.randbytes(4))
            case _:
                for order in rig.all(act.TakeBack):
                    behind = list(order.process.handed)[1:]
                    keys = [key for key in order.keys if key in behind]
                    if keys and order.process.number in rig.core.table.processes:
                        rig.handle(ev.AttemptsReturned(order.process.number, keys))
                rig.orders[:] = [o for o in rig.orders if not isinstance(o, act.TakeBack)]

    def collect(self) -> None:
        """Count results and acknowledge some of them."""
        for order in self.rig.all(act.SendResults):
            for attempt in order.attempts:
                assert attempt.result is not None
                where = (order.session.id, attempt.key)
                self.sent[where] += attempt.result.outcome >= 0
        for user in self.users:
            attempts = self.rig.core.table.by_id[user.id].attempts.values()
            ended = [a.key[0] for a in attempts if a.phase is Phase.ENDED]
            user.acknowledge(*ended[: len(ended) // 2])
        self.rig.orders[:] = [o for o in self.rig.orders if isinstance(o, act.TakeBack)]

    def drain(self) -> None:
        self.rig.handle(ev.OwnerWishes(None, is_draining=False))
        for _ in range(200):
            self.finish_some()
            self.rig.wait(0.5)
            self.collect()


@pytest.mark.parametrize("seed", range(40))
def test_every_attempt_gets_its_result_whatever_happens(seed: int) -> None:
    chaos = Chaos(seed)
    for _ in range(120):
        chaos.step()
    chaos.drain()
    lost = [where for where, count in chaos.sent.items() if count == 0]
    assert lost == [], f"seed {seed}"
