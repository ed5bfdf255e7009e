"""Tasks that wait, in order of submission, as far as any agent can take them in that order.

A task that only some agents can take must not hold up those behind it. So tasks wait in *lanes*:
all tasks of a lane have the same requirements, avoid the same agents and are about as large; an
agent that cannot take the first of a lane can take none of it. Of the lanes that an agent can take
from, it takes the one whose first task is oldest. Nearly always there is one lane.

A task that leaves a lane other than by being taken is left in it as a husk: its `lane` says no
more that it is there, and it is skipped when its turn comes. If it comes back before that, it is in
the lane twice, at the same place in the order; what is taken once is a husk the second time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain
from typing import Final

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.requirements import Requirements
from hxgrid.user.core.task import TaskRecord

LARGE_BYTES: Final = 4 * 1024 * 1024
"""Inputs below it all fit or all do not; larger ones wait in lanes by powers of two."""

LaneKey = tuple[Requirements | None, int, frozenset[str]]
NOBODY: Final[frozenset[str]] = frozenset()


class Lane:
    """Waiting tasks that are alike to an agent."""

    __slots__ = ("_fresh", "_returned", "_serial", "avoids", "count", "key", "requires", "stuck")

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.requires = key[0]
        self.avoids = key[2]
        self.count = 0
        """Tasks that wait here, without husks."""
        self.stuck = False
        """No agent with room can take from here; only one that has changed is asked again."""
        self._fresh: deque[TaskRecord] = deque()
        self._returned: list[tuple[int, int, TaskRecord]] = []
        self._serial = 0

    def __iter__(self) -> Iterator[TaskRecord]:
        returned = [entry[2] for entry in sorted(self._returned, key=lambda entry: entry[:2])]
        seen: set[int] = set()
        for task in chain(returned, self._fresh):
            if task.lane is self and task.id not in seen:
                seen.add(task.id)
                yield task

    def append(self, tasks: Iterable[TaskRecord], count: int) -> None:
        """Let new tasks wait, oldest first."""
        self._fresh.extend(tasks)
        self.count += count

    def put_back(self, task: TaskRecord) -> None:
        """Let a task wait again, before those that were submitted after it."""
        self._serial += 1
        heappush(self._returned, (task.id, self._serial, task))
        task.lane = self
        self.count += 1

    def head(self) -> TaskRecord | None:
        """Return the oldest task and leave it here."""
        fresh, returned = self._fresh, self._returned
        while returned and returned[0][2].lane is not self:
            heappop(returned)
        while fresh and fresh[0].lane is not self:
            fresh.popleft()
        if returned and not (fresh and fresh[0].id < returned[0][0]):
            return returned[0][2]
        return fresh[0] if fresh else None

    def take(self, limit: int, function: int) -> list[TaskRecord]:
        """Take out up to `limit` of the oldest tasks, as long as they are of this function."""
        taken: list[TaskRecord] = []
        fresh = self._fresh
        while len(taken) < limit:
            if self._returned:
                task = self.head()
                if task is None or task.function != function:
                    break
            else:
                # The way of nearly all tasks.
                if not fresh:
                    break
                task = fresh[0]
                if task.lane is self and task.function != function:
                    break
                fresh.popleft()
                if task.lane is not self:
                    continue
            task.lane = None
            taken.append(task)
        self.count -= len(taken)
        return taken

    def discard(self, task: TaskRecord) -> None:
        """Leave a husk of a task that waits here."""
        task.lane = None
        self.count -= 1
        if len(self._fresh) + len(self._returned) > 2 * self.count + 1024:
            self._fresh = deque([each for each in self._fresh if each.lane is self])
            self._returned = [each for each in self._returned if each[2].lane is self]
            self._returned.sort(key=lambda entry: entry[:2])


class Lanes:
    """All lanes."""

    def __init__(self) -> None:
        self._main = Lane((None, 0, NOBODY))
        self._lanes: dict[LaneKey, Lane] = {self._main.key: self._main}

    def __len__(self) -> int:
        """Return how many tasks wait."""
        if len(self._lanes) == 1:
            return self._main.count
        return sum(lane.count for lane in self._lanes.values())

    def __iter__(self) -> Iterator[TaskRecord]:
        for lane in self._lanes.values():
            yield from lane

    @property
    def lanes(self) -> Iterable[Lane]:
        """The lanes, empty ones perhaps among them."""
        return self._lanes.values()

    def add(self, tasks: Sequence[TaskRecord]) -> None:
        """Let new tasks wait, oldest first."""
        lane = self._main
        # What the tasks of `lane` require. Looking a lane up for each task would cost more than
        # all the rest, and those of one function share the object.
        required: Requirements | None = None
        alike: list[TaskRecord] = []
        for task in tasks:
            if task.raw_bytes >= LARGE_BYTES:
                self._extend(self._lane_of(task), [task])
                continue
            if task.requires is not required:
                self._extend(lane, alike)
                alike = []
                lane = self._lane_of(task)
                required = task.requires
            alike.append(task)
        self._extend(lane, alike)

    def put_back(self, task: TaskRecord, avoids: frozenset[str]) -> None:
        """Let a task wait again in its old place, for any agent but those named."""
        if task.lane is not None:
            self.discard(task)
        lane = self._lane_of(task, avoids)
        lane.stuck = False
        lane.put_back(task)

    def discard(self, task: TaskRecord) -> None:
        """Take out a task that waits."""
        lane: Lane = task.lane
        lane.discard(task)
        self.tidy(lane)

    def tidy(self, lane: Lane) -> None:
        """Drop a lane that has become empty."""
        if lane.count == 0 and lane is not self._main:
            self._lanes.pop(lane.key, None)

    def has_movable(self) -> bool:
        """Say whether some task waits that has not been refused to all agents with room."""
        if len(self._lanes) == 1:
            return self._main.count > 0 and not self._main.stuck
        return any(lane.count and not lane.stuck for lane in self._lanes.values())

    def has_stuck(self) -> bool:
        """Say whether some task waits that no agent with room could take."""
        if len(self._lanes) == 1:
            return self._main.count > 0 and self._main.stuck
        return any(lane.count and lane.stuck for lane in self._lanes.values())

    def _extend(self, lane: Lane, tasks: list[TaskRecord]) -> None:
        if tasks:
            for task in tasks:
                task.lane = lane
            lane.stuck = False
            lane.append(tasks, len(tasks))

    def _lane_of(self, task: TaskRecord, avoids: frozenset[str] = NOBODY) -> Lane:
        size_class = task.raw_bytes.bit_length() if task.raw_bytes >= LARGE_BYTES else 0
        key = (task.requires, size_class, avoids)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane


def can_take(
    agent: AgentView, lane: Lane, head: TaskRecord, reserve_bytes: int, factor: float
) -> bool:
    """Say whether an agent can take `head`, the first task of a lane, were there room."""
    if agent.agent in lane.avoids:
        return False
    if lane.requires is not None and agent.lacks(lane.requires):
        return False
    return agent.has_memory_for(head.raw_bytes * factor, reserve_bytes)
