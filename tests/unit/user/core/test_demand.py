"""As many connections as the queue needs, and some to spare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hxgrid.user.core.actions import Action, ConnectAgent, DisconnectAgent, SendAttempts
from hxgrid.user.core.demand import MAX_CONNECTING, MORE_PER_SWEEP, NOT_NEEDED
from hxgrid.user.core.events import AgentRefused, AgentUnreachable, RosterChanged
from hxgrid.user.core.requirements import Requirements
from hxgrid.user.core.task import TaskState
from hxgrid.wire.messages import AgentState
from tests.unit.user.core.stage import LINUX, Stage, completed, entry, of


def name(number: int) -> str:
    return f"{number:032x}"


class Grid:
    """Many agents; each that is dialled answers at once."""

    def __init__(self, count: int, *, slots: int = 2, **settings: Any) -> None:
        self.slots = slots
        self.stage = Stage(**{"spare_agents": 3, "idle_connection_s": 5.0, **settings})
        self.connected: list[str] = []
        self.closed: list[DisconnectAgent] = []
        entries = [entry(name(number), slots) for number in range(count)]
        self.take(self.stage.tell(RosterChanged(entries, [], True)))

    def take(self, actions: Sequence[Action]) -> list[Action]:
        """Do what is ordered, and what comes of it."""
        todo, done = list(actions), []
        while todo:
            action = todo.pop(0)
            done.append(action)
            if isinstance(action, ConnectAgent):
                self.connected.append(action.entry.agent)
                todo += self.stage.welcome(action.entry.agent, self.slots)
            elif isinstance(action, DisconnectAgent):
                self.connected.remove(action.agent)
                self.closed.append(action)
        return done

    def submit(self, count: int, **fields: Any) -> list[Action]:
        return self.take(self.stage.submit(count, **fields))

    def wait(self, seconds: float) -> None:
        left = seconds
        while left > 0:
            self.take(self.stage.advance(min(0.25, left), answering=self.connected))
            left -= 0.25

    def finish(self, tasks: Iterable[int]) -> None:
        for number in tasks:
            actions = self.stage.end(self.stage.tasks[number].attempts[-1].agent, number)
            self.stage.finalize(actions)
            self.take(actions)


def test_a_small_grid_is_connected_to_as_a_whole() -> None:
    assert len(Grid(3).connected) == 3


def test_of_a_large_grid_only_the_spare_agents_are_connected_to_at_first() -> None:
    assert Grid(100).connected == [name(0), name(1), name(2)]


def test_agents_are_added_in_the_moment_in_which_tasks_need_them() -> None:
    grid = Grid(100)
    actions = grid.submit(40)
    assert len(grid.connected) == 23  # 20 with two slots each, and three to spare
    sent = [attempt for each in of(actions, SendAttempts) for attempt in each.attempts]
    assert len(sent) == 40


def test_the_first_tasks_do_not_wait_for_those() -> None:
    grid = Grid(100)
    actions = grid.stage.submit(40)
    assert isinstance(actions[0], ConnectAgent | SendAttempts)
    assert len([a for each in of(actions, SendAttempts) for a in each.attempts]) >= 6


def test_never_more_than_allowed_at_once() -> None:
    grid = Grid(100, max_connections=7)
    grid.submit(1000)
    assert len(grid.connected) == 7


def test_only_so_many_are_being_connected_to_at_a_time() -> None:
    stage = Stage(spare_agents=500)
    entries = [entry(name(number)) for number in range(300)]
    dialled = of(stage.tell(RosterChanged(entries, [], True)), ConnectAgent)
    assert len(dialled) == MAX_CONNECTING
    assert len(of(stage.welcome(dialled[0].entry.agent), ConnectAgent)) == 1
    refused = AgentRefused(dialled[1].entry.agent, "token", "no")
    assert len(of(stage.tell(refused), ConnectAgent)) == 1
    lost = AgentUnreachable(dialled[2].entry.agent, "no route")
    assert len(of(stage.tell(lost), ConnectAgent)) == 1


def test_idle_connections_are_closed_down_to_the_spare_ones() -> None:
    grid = Grid(100)
    grid.submit(40)
    grid.finish(range(1, 41))
    grid.wait(4.0)
    assert len(grid.connected) == 23
    grid.wait(2.0)
    assert len(grid.connected) == 3
    assert all(each.is_idle and each.reason == NOT_NEEDED for each in grid.closed)


def test_what_is_closed_comes_back_with_the_next_tasks() -> None:
    grid = Grid(100)
    grid.submit(40)
    grid.finish(range(1, 41))
    grid.wait(6.0)
    grid.submit(40)
    assert len(grid.connected) == 23
    tasks = [grid.stage.tasks[number] for number in range(41, 81)]
    assert all(task.state is TaskState.RUNNING for task in tasks)


def test_no_connection_is_closed_while_it_has_something_to_do() -> None:
    grid = Grid(100)
    grid.submit(40)
    grid.wait(60.0)
    assert len(grid.connected) == 23
    busy = {attempt.agent for task in grid.stage.tasks.values() for attempt in task.attempts}
    grid.finish(range(1, 31))
    grid.wait(60.0)
    left = {grid.stage.tasks[number].attempts[0].agent for number in range(31, 41)}
    assert left <= set(grid.connected)
    assert left < busy


def test_one_that_cannot_be_reached_is_replaced() -> None:
    grid = Grid(100)
    actions = grid.stage.tell(AgentUnreachable(grid.connected[0], "gone"))
    assert [each.entry.agent for each in of(actions, ConnectAgent)] == [name(3)]


def test_when_the_connected_are_of_no_use_others_are_tried() -> None:
    grid = Grid(100)
    for agent in list(grid.connected):
        grid.stage.load(agent, AgentState.SUSPENDED)
    grid.submit(2)
    assert len(grid.connected) == 4  # for two tasks one agent would be enough
    for agent in list(grid.connected):
        grid.stage.load(agent, AgentState.SUSPENDED)
    before = len(grid.connected)
    grid.submit(1)
    grid.wait(0.5)
    assert before < len(grid.connected) <= before + 4 * MORE_PER_SWEEP
    assert grid.stage.tasks[3].state is TaskState.RUNNING


def test_who_alone_suits_is_found_among_many_who_sleep() -> None:
    grid = Grid(60)
    rare = LINUX.model_copy(update={"labels": ("gpu",)})
    special = entry(name(999), 2).model_copy(update={"capabilities": rare})
    grid.take(grid.stage.tell(RosterChanged([special], [], False)))
    grid.submit(1, requires=Requirements.of({"labels": ["gpu"]}))
    grid.wait(1.0)
    assert name(999) in grid.connected
    assert len(grid.connected) <= 5


def test_each_that_sleeps_says_why() -> None:
    grid = Grid(5)
    texts = [each.text for each in grid.stage.dispatcher.explain(grid.stage.now)]
    assert sum(NOT_NEEDED in text for text in texts) == 2


def test_who_leaves_the_roster_while_asleep_is_forgotten() -> None:
    grid = Grid(5)
    grid.take(grid.stage.tell(RosterChanged([], [name(4)], False)))
    grid.submit(100)
    assert len(grid.connected) == 4


def test_everything_that_was_accepted_completes_whoever_comes_and_goes() -> None:
    grid = Grid(30, idle_connection_s=0.5)
    finished: list[int] = []
    first = 1
    for round_number in range(10):
        count = 3 * round_number + 1
        grid.submit(count)
        for number in range(first, first + count):
            actions = grid.stage.end(grid.stage.tasks[number].attempts[-1].agent, number)
            finished += completed(actions)
            grid.stage.finalize(actions)
            grid.take(actions)
        first += count
        grid.wait(1.0)
        assert len(grid.connected) == 3
    assert finished == sorted(grid.stage.tasks)
