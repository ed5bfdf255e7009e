"""Faults as data: what happens when to whom, and a generator of such schedules from a seed."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass


class Kind(enum.Enum):
    """What can go wrong."""

    DROP = "drop the connection"
    CUT = "cut the link"
    PARTITION = "part computers from the user's"
    SLOW = "delay the link"
    DOUBLE = "deliver results twice"
    KILL = "kill the agent"
    RESTART = "kill the agent and start another"
    FREEZE = "stop the whole agent"
    STOP_SLOT = "stop one slot"
    OWNER = "the owner returns"
    CANCEL = "cancel a task"
    COORDINATOR = "start the coordinator anew"
    USER = "kill the application and start it again"


@dataclass(frozen=True)
class Fault:
    """One fault: `for_s` where it passes."""

    at: float
    kind: Kind
    agent: int
    for_s: float
    slot: int = 0


@dataclass(frozen=True)
class Job:
    """One task to be submitted."""

    at: float
    function: int
    work: str
    idempotent: bool


@dataclass(frozen=True)
class Host:
    """One agent at the start."""

    slots: int
    slowness: float
    is_black_hole: bool
    joins_at: float


@dataclass(frozen=True)
class Schedule:
    """Everything that one run of the simulator is made of."""

    seed: int
    hosts: tuple[Host, ...]
    jobs: tuple[Job, ...]
    faults: tuple[Fault, ...]


LATEST_FAULT_S = 15.0


def schedule_of(seed: int) -> Schedule:
    """Choose a schedule by its seed."""
    chance = random.Random(seed)
    hosts = tuple(
        Host(
            slots=chance.randint(1, 3),
            slowness=chance.choice((1.0, 1.0, 1.0, 0.5, 5.0)),
            is_black_hole=index > 0 and chance.random() < 0.08,
            joins_at=0.0 if index == 0 else chance.choice((0.0, 0.0, chance.uniform(0, 6))),
        )
        for index in range(chance.randint(1, 5))
    )
    typical_s = chance.choice((0.002, 0.05, 0.3, 1.0))
    submit_s = chance.choice((0.0, 0.5, 6.0))
    jobs = tuple(_job(chance, typical_s, submit_s) for _ in range(chance.randint(1, 60)))
    # While there is work to be disturbed, and a little longer.
    work_s = sum(float(job.work.split()[0]) for job in jobs) / sum(host.slots for host in hosts)
    until_s = min(LATEST_FAULT_S, max(job.at for job in jobs) + 1.0 + 2.0 * work_s)
    count = chance.randint(0, 12)
    faults = tuple(
        sorted(
            (_fault(chance, len(hosts), until_s) for _ in range(count)), key=lambda fault: fault.at
        )
    )
    return Schedule(seed, hosts, tuple(sorted(jobs, key=lambda job: job.at)), faults)


def _job(chance: random.Random, typical_s: float, submit_s: float) -> Job:
    work = f"{typical_s * chance.lognormvariate(0.0, 0.7):.4f}"
    ending = chance.choices(("", " fail", " crash"), (30, 1, 1))[0]
    at = 0.0 if chance.random() < 0.5 else chance.uniform(0.0, submit_s)
    return Job(at, chance.choice((1, 1, 1, 2)), work + ending, chance.random() > 0.15)


def _fault(chance: random.Random, hosts: int, until_s: float) -> Fault:
    for_s = chance.choice((0.2, 1.0, 2.5, 6.0, 14.0)) * chance.uniform(0.7, 1.3)
    return Fault(
        at=chance.uniform(0.0, until_s),
        kind=chance.choice(tuple(Kind)),
        agent=chance.randrange(hosts),
        for_s=for_s,
        slot=chance.randrange(3),
    )
