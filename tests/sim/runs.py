"""Many seeds, over several processes: what they did and which of them failed."""

from __future__ import annotations

import gc
import multiprocessing
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.sim.faults import schedule_of
from tests.sim.realagent import RealAgent
from tests.sim.world import SimAgent, World

CHUNK = 20
"""Seeds that a process gets at a time."""


@dataclass
class Tally:
    """What some seeds came to."""

    seeds: int = 0
    tasks: int = 0
    further_attempts: int = 0
    """Beyond the first of each task: copies, retries and what came back unstarted."""
    faults: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)
    """Traceback and schedule by seed."""

    def add(self, other: Tally) -> None:
        """Count those of another tally as well."""
        self.seeds += other.seeds
        self.tasks += other.tasks
        self.further_attempts += other.further_attempts
        self.faults += other.faults
        self.failed |= other.failed


def run_seed(seed: int, kind_of_agent: type[SimAgent] = RealAgent) -> World:
    """Run one schedule; a failure names the seed."""
    schedule = schedule_of(seed)
    world = World(schedule, kind_of_agent)
    try:
        world.run()
    except AssertionError as error:
        error.add_note(f"seed {seed}: {schedule}")
        raise
    return world


def run_chunk(first: int, count: int, kind_of_agent: type[SimAgent] = RealAgent) -> Tally:
    """Run so many seeds one after the other."""
    tally = Tally()
    for seed in range(first, first + count):
        tally.seeds += 1
        try:
            world = run_seed(seed, kind_of_agent)
        except AssertionError as error:
            tally.failed[seed] = "".join(traceback.format_exception(error))
            continue
        tally.tasks += len(world.jobs)
        tally.further_attempts += sum(len(task.attempts) - 1 for task in world.tasks.values())
        tally.faults.update({kind.name: count for kind, count in world.done.items()})
    return tally


def run_seeds(first: int, count: int, processes: int) -> Iterator[Tally]:
    """Run so many seeds; yields tallies of seeds that follow one another."""
    ends = first + count
    chunks = [(start, min(CHUNK, ends - start)) for start in range(first, ends, CHUNK)]
    if processes == 1:
        for chunk in chunks:
            yield run_chunk(*chunk)
        return
    with multiprocessing.get_context("spawn").Pool(processes, gc.freeze) as pool:
        yield from pool.imap(_run_chunk, chunks)


def _run_chunk(chunk: tuple[int, int]) -> Tally:
    return run_chunk(*chunk)
