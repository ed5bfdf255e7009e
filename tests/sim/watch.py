"""What must hold in a world: looked at after every event of the user, and once all is over.

* Each task ends once, and a completed one with the answer that its input has (exactly once, same
  answer).
* While a fit agent is free, no task waits longer than `suspect_after_s` + 1 s.
* Nobody holds more than its bounds, and when all is over nobody holds anything: no attempt, no
  result that waits, no session of an application that was killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxgrid.user.core.task import TaskRecord, TaskState
from tests.sim.slots import answer_to

if TYPE_CHECKING:
    from tests.sim.world import World

MAX_ATTEMPTS_SEEN = 60
"""Attempts of one task that no schedule needs: 12 faults, 5 agents, 3 failures."""
STALL_LIMIT_S = 1.5 + 1.0
"""`suspect_after_s` + 1 s."""
LATENCY_S = 0.3
"""What messages, retries and one status period of the network add to the limit above."""


class Watch:
    """Asserts the properties of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.checks_answers = True
        self._open: dict[int, TaskRecord] = {}
        """Those that have not ended."""
        self._unserved_since: dict[int, float] = {}
        self._free_since: dict[str, float] = {}

    def take_in(self, task: TaskRecord) -> None:
        """Watch a task that is being handed in."""
        self._open[task.id] = task

    def start_over(self) -> None:
        """Take note that the application was killed."""
        self._open.clear()
        self._unserved_since.clear()
        self._free_since.clear()

    def forget_idleness(self) -> None:
        """Let agents count as free from now on only: a fault has ended."""
        self._free_since.clear()

    def look(self) -> None:
        """Check what must hold after every event."""
        now = self._world.agenda.now
        free = self._note_free_agents()
        for task in list(self._open.values()):
            assert len(task.attempts) <= MAX_ATTEMPTS_SEEN, f"task {task.id}: too many attempts"
            if task.state.is_final:
                del self._open[task.id]
            elif task.state is not TaskState.FINALIZING:
                self._look_for_stall(task, free, now)

    def look_at_the_end(self) -> None:
        """Check what must hold when all tasks have ended and all faults have passed."""
        world = self._world
        for task_id, endings in world.endings.items():
            assert len(endings) == 1, f"task {task_id} ended {endings}"
        for task_id, answer in world.answers.items():
            work = world.jobs[task_id].work.encode()
            is_right = answer == answer_to(work) or not self.checks_answers
            assert is_right, f"task {task_id} got {answer!r}"
        left = self.leftovers()
        assert not left, f"left when all was over: {left}"

    def leftovers(self) -> list[str]:
        """Name what is kept of tasks that have ended and of applications that are gone."""
        user = self._world.user
        left = [f"the user knows task {number}" for number in user.dispatcher._state.tasks]
        for agent in self._world.programs.values():
            if agent.is_well:
                left += [f"{agent.boot_id} has {each}" for each in agent.leftovers(user.session)]
        return left

    # ------------------------------------------------------------------ stalls

    def _look_for_stall(self, task: TaskRecord, free: list[str], now: float) -> None:
        if self._is_served(task):
            self._unserved_since.pop(task.id, None)
            return
        since = self._unserved_since.setdefault(task.id, now)
        if not task.idempotent:
            return
        for name in free:
            if task.trouble is not None and name in (
                task.trouble.failed_on | task.trouble.backoff_until
            ):
                continue
            if task.proof is not None and any(each.agent == name for each in task.attempts):
                continue  # a result is checked by somebody else
            waited_s = now - max(since, self._free_since[name])
            assert waited_s <= STALL_LIMIT_S + LATENCY_S, (
                f"at {now:.2f} agent {name} is free and task {task.id} has waited for "
                f"{waited_s:.2f} s: {self._world.user.dispatcher.why(task.id, now)}"
            )

    def _note_free_agents(self) -> list[str]:
        views = self._world.user.dispatcher._state.agents
        free = []
        for seat in self._world.seats:
            agent = seat.agent
            if agent is None:
                continue
            view = views.get(agent.boot_id)
            is_free = (
                view is not None
                and view.is_fit
                and not view.held
                and not view.on_parole
                and agent.is_well
                and seat.afflictions == 0
            )
            if is_free:
                self._free_since.setdefault(agent.boot_id, self._world.agenda.now)
                free.append(agent.boot_id)
            else:
                self._free_since.pop(agent.boot_id, None)
        return free

    def _is_served(self, task: TaskRecord) -> bool:
        world = self._world
        return any(
            program.serves(world.user.session, (task.id, attempt.number))
            for attempt in task.attempts
            if (program := world.programs.get(attempt.agent)) is not None
            and self._is_reached(attempt.agent)
        )

    def _is_reached(self, boot_id: str) -> bool:
        link = self._world.user.links.get(boot_id)
        return link is not None and not link.connection.is_cut
