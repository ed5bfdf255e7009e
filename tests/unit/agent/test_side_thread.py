from __future__ import annotations

import threading

from hxgrid.clock import MonotonicClock
from hxgrid.transport.loop import Loop
from hxgrid_agent.side_thread import SideThread
from tests.harness.wait import wait_until


class Idle:
    def tick(self, now: float) -> None:
        pass

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None:
        pass


def test_jobs_run_in_order_elsewhere_and_answer_on_the_loop() -> None:
    loop = Loop(MonotonicClock(), "test")
    side = SideThread(loop, "test")
    side.start()
    answers: list[tuple[object, str]] = []
    threads: set[int] = set()

    def job(number: int) -> int:
        threads.add(threading.get_ident())
        if number == 3:
            raise OSError("the disk is full")
        return number

    def tell(result: object, problem: Exception | None) -> None:
        threads.discard(threading.get_ident())
        answers.append((result, str(problem)))

    for number in (1, 2, 3):
        side.run(lambda n=number: job(n), tell)  # type: ignore[misc]

    def turned() -> bool:
        loop.turn(Idle(), 0.01)
        return len(answers) == 3

    wait_until(turned, 10, "three answers")
    assert answers == [(1, "None"), (2, "None"), (None, "the disk is full")]
    assert len(threads) == 1
    side.close()
    side.close()
    loop.close()
