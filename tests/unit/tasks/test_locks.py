from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxgrid.tasks.locks import GlobalLock
from tests.harness.wait import Stopwatch, wait_until

HOLDER = """
import sys
from pathlib import Path
from hxgrid.tasks.locks import GlobalLock
GlobalLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[GlobalLock]:
    lock = GlobalLock(tmp_path / "lock")
    yield lock
    lock.close()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_its_holder_may_take_it_again(lock: GlobalLock) -> None:
    with lock, lock:
        assert lock.acquire(blocking=False)
        lock.release()


def test_another_thread_must_wait(lock: GlobalLock) -> None:
    got: list[bool] = []
    with lock:
        thread = threading.Thread(target=lambda: got.append(lock.acquire(blocking=False)))
        thread.start()
        thread.join()
    assert got == [False]


def test_another_thread_gets_it_afterwards(lock: GlobalLock) -> None:
    got: list[bool] = []

    def take() -> None:
        with lock:
            got.append(True)

    with lock:
        thread = threading.Thread(target=take)
        thread.start()
    thread.join()
    assert got == [True]


def test_another_process_excludes(lock: GlobalLock, holder: subprocess.Popen[str]) -> None:
    assert not lock.acquire(blocking=False)


def test_waiting_for_another_process_ends_in_time(
    lock: GlobalLock, holder: subprocess.Popen[str]
) -> None:
    watch = Stopwatch()
    assert not lock.acquire(timeout=0.05)
    assert 0.05 <= watch.elapsed_s() < 10


def test_a_killed_holder_frees_it(lock: GlobalLock, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    wait_until(lambda: lock.acquire(blocking=False), 10, "the lock of a dead process")
    lock.release()


def test_waiting_without_limit_ends_when_it_is_free(
    lock: GlobalLock, holder: subprocess.Popen[str]
) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    with lock:
        pass


def test_releasing_what_is_not_held_is_an_error(lock: GlobalLock) -> None:
    with pytest.raises(RuntimeError, match="does not hold"):
        lock.release()
