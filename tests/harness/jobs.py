"""The test application `tests/programs/apps/job.py`, started and watched."""

from __future__ import annotations

import itertools
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness.wait import Stopwatch, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.processes import Program, Programs

APPS = Path(__file__).parents[1] / "programs" / "apps"

Result = dict[str, Any]


def anywhere(_result: Result) -> bool:
    """Any result will do."""
    return True


class Job:
    """A running job that ends when it is told to; every line that it prints is a fact."""

    def __init__(self, programs: Programs, *arguments: str, **options: Any) -> None:
        number = len(programs.started)
        self._stop_file = programs.folder / f"stop-{number}"
        self.program: Program = programs.python(
            APPS / "job.py", "--stop-file", self._stop_file, *arguments, **options
        )

    def results(self) -> list[Result]:
        """One entry for each call of finalize so far."""
        return [line for line in self.program.json_lines() if line["event"] == "finalized"]

    def wait_for_more(
        self, count: int, limit_s: float, where: Callable[[Result], bool] = anywhere
    ) -> list[Result]:
        """Wait for so many results beyond those that are there, and return them."""
        before = len(self.results())

        def fresh() -> list[Result]:
            assert self.program.is_running, self.program.log()
            return [result for result in self.results()[before:] if where(result)]

        wait_until(lambda: len(fresh()) >= count, limit_s, f"{count} more results", seen=self.tail)
        return fresh()

    def rate(self, for_s: float) -> float:
        """Watch for so long, and return the results per second."""
        watch, before = Stopwatch(), len(self.results())
        threading.Event().wait(for_s)
        return (len(self.results()) - before) / watch.elapsed_s()

    def tell_to_stop(self) -> None:
        """Let it hand in no more tasks and wait for those under way."""
        self._stop_file.touch()

    def finish(self, limit_s: float) -> Result:
        """Tell it to stop, wait for its end, and check that every task came back exactly once."""
        self.tell_to_stop()
        return self.finish_by_itself(limit_s)

    def finish_by_itself(self, limit_s: float) -> Result:
        """Wait for its end, and check that every task came back exactly once."""
        self.program.wait(limit_s).expect(0)
        end = self.program.json_lines()[-1]
        assert end["event"] == "end", self.program.log()
        expect_exactly_once(end, self.results())
        return end

    def tail(self) -> str:
        """What it said last."""
        return f"{len(self.results())} results in all; {self.program.log()[-3000:]}"


def expect_exactly_once(end: Result, results: list[Result]) -> None:
    """Fail unless each accepted task was finalized once, with the right answer."""
    assert end["missing"] == [], end
    assert end["repeated"] == [], end
    assert not end["is_wrong"], end
    assert sorted(result["number"] for result in results) == list(range(1, end["accepted"] + 1))


def longest_gap_s(results: list[Result]) -> float:
    """The longest time in which no result arrived."""
    times = [result["at"] for result in results]
    gaps = (later - earlier for earlier, later in itertools.pairwise(times))
    return max(gaps, default=math.nan)
