"""Work beside the loop."""

from __future__ import annotations

import threading

from hxgrid.user.side import SideThread
from tests.harness.wait import wait_until


def test_work_is_done_in_order_and_a_fault_does_not_end_the_thread() -> None:
    side = SideThread("test")
    done: list[object] = []

    def fail() -> None:
        raise ValueError("ours")

    side.put(lambda: done.append(threading.current_thread().name))
    side.put(fail)
    side.put(lambda: done.append("after"))
    wait_until(lambda: len(done) == 2, 10, "the work")
    assert done == ["test", "after"]
    side.stop(10)


def test_one_that_was_never_needed_ends_too() -> None:
    SideThread("test").stop(10)
