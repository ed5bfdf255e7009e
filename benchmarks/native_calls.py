"""What do the calls of native tasks cost, by the task library alone, without a grid?

TestConnection against an empty virtual call; a task that asks 10,000 times a second against one
that does not; processor time per task that does nothing; two computing tasks at a time against one;
and getting 300 MB of global data a second time. Tasks are C++, compiled with -O2; medians.
"""

from __future__ import annotations

import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.measuring import RUNS, Answer, Spread, take_turns, write
from hxgrid import native
from tests.native.driver import Driver

SOURCE = Path(__file__).parent / "tasks" / "native.cpp"
QUESTION_NS = 5.0
LOSS = 0.001
TASK_US = 3.0
BATCHES, BATCH = 50, 1000
SPEED_UP = 1.9
PAIRS = 9
ROUNDS = 8000
DATA_BYTES = 300_000_000
AGAIN_S = 0.001
GROWTH = 1.1


def main() -> list[Answer]:
    """Measure everything and write it down."""
    missing = native.why_missing() or ("" if shutil.which("c++") else "there is no C++ compiler")
    if missing:
        print(f"native_calls: left out: {missing}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        module = compiled(Path(folder))
        answers = [
            questions(module),
            ten_kilohertz(module),
            nothing(module),
            two_at_a_time(module),
            data_again(module, Path(folder)),
        ]
    write("native_calls", answers)
    return answers


def compiled(folder: Path) -> Path:
    """Compile the tasks."""
    target = folder / "native.so"
    flags = ["-std=c++11", "-O2", "-fPIC", "-shared", f"-I{native.include_path()}"]
    subprocess.run(["c++", *flags, str(SOURCE), "-o", str(target)], check=True)
    return target


def host(module: Path, function: str, threads: int = 1) -> Driver:
    """Start a host whose function 1 is this one."""
    driver = Driver(threads=threads)
    driver.offer(1, module, function)
    return driver


def doubles(output: bytes) -> tuple[float, ...]:
    """Read what a task measured."""
    return struct.unpack(f"{len(output) // 8}d", output)


def repeated(module: Path, function: str, runs: int) -> list[tuple[float, ...]]:
    """Run a task that measures, several times."""
    driver = host(module, function)
    taken = [doubles(driver.call(serial).output) for serial in range(1, runs + 1)]
    driver.close()
    return taken


def questions(module: Path) -> Answer:
    """TestConnection, a million times."""
    taken = repeated(module, "Questions", PAIRS)
    empty, asked = (Spread.of([one[index] for one in taken]) for index in (0, 1))
    return Answer(
        question="one TestConnection, C++",
        must_reach=f"under {QUESTION_NS:g} ns",
        baseline=f"empty virtual call {empty} ns",
        ours=f"{asked} ns",
        ratio=f"{asked.median / empty.median:.2f}",
        is_reached=asked.median < QUESTION_NS,
        details={"empty_ns": empty.median, "question_ns": asked.median},
    )


def ten_kilohertz(module: Path) -> Answer:
    """A task that asks after every 100 microseconds of work."""
    losses = [after / before - 1 for before, after in repeated(module, "TenKilohertz", PAIRS)]
    median = statistics.median(losses)
    return Answer(
        question="a task that asks at 10 kHz",
        must_reach=f"loses under {LOSS:.1%}",
        baseline="the same without asking",
        ours=f"{median:+.3%}",
        ratio=f"{1 + median:.5f}",
        is_reached=median < LOSS,
        details={"losses": losses},
    )


def nothing(module: Path) -> Answer:
    """Tasks that do nothing, queued and taken in batches."""
    driver = host(module, "Nothing", threads=2)
    costs = []
    for run in range(RUNS):
        first = run * BATCHES * BATCH + 1
        began = time.process_time()
        for start in range(first, first + BATCHES * BATCH, BATCH):
            driver.run_batch(
                [(serial, 1, 0, 8, b"8 bytes.") for serial in range(start, start + BATCH)]
            )
        driver.pump(lambda: len(driver.results) == BATCHES * BATCH)
        costs.append((time.process_time() - began) / (BATCHES * BATCH) * 1e6)
        driver.results.clear()
    driver.close()
    cost = Spread.of(costs)
    return Answer(
        question="processor time of a host per task that does nothing",
        must_reach=f"at most {TASK_US:g} us",
        baseline="-",
        ours=f"{cost} us, the benchmark's own packing and reading included",
        ratio="-",
        is_reached=cost.median <= TASK_US,
        details={"us": costs},
    )


def two_at_a_time(module: Path) -> Answer:
    """Two computing tasks in one process."""
    driver = host(module, "Compute", threads=2)
    serials = iter(range(1, 10_000))

    def run(count: int) -> Callable[[], float]:
        def measure() -> float:
            mine = [next(serials) for _ in range(count)]
            began = time.perf_counter()
            for serial in mine:
                driver.run(serial, 1, struct.pack("<I", ROUNDS))
            driver.wait_for(*mine)
            return time.perf_counter() - began

        return measure

    taken = take_turns({"one": run(1), "two": run(2)}, PAIRS)
    driver.close()
    ups = [2 * one / two for one, two in zip(taken["one"], taken["two"], strict=True)]
    up = Spread.of(ups)
    return Answer(
        question="two computing tasks at a time, C++",
        must_reach=f"at least {SPEED_UP:g} times one",
        baseline=f"one {Spread.of(taken['one'])} s",
        ours=f"two {Spread.of(taken['two'])} s",
        ratio=f"{up}",
        is_reached=up.median >= SPEED_UP,
        details={"speed_ups": ups},
    )


def data_again(module: Path, folder: Path) -> Answer:
    """300 MB of global data, read by eight tasks on four threads."""
    path = folder / "data"
    path.write_bytes(bytes(DATA_BYTES))
    driver = host(module, "ReadData", threads=4)
    driver.data = lambda _: str(path)
    process = psutil.Process()
    before = process.memory_info().rss
    taken = []
    for serial in range(1, 9):
        driver.run(serial)
    taken = [struct.unpack("<ddQ", one.output) for one in driver.wait_for(*range(1, 9))]
    again = struct.unpack("<ddQ", driver.call(9).output)[0]
    growth = (process.memory_info().rss - before) / DATA_BYTES
    driver.close()
    return Answer(
        question="300 MB of global data, once more",
        must_reach=f"under {AGAIN_S * 1000:g} ms, memory at most {GROWTH:g} times the data",
        baseline="-",
        ours=f"{again * 1000:.3f} ms, memory {growth:.2f} times the data",
        ratio="-",
        is_reached=again < AGAIN_S and growth <= GROWTH,
        details={"first_s": [one[0] for one in taken], "again_s": again, "growth": growth},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer.question, "|", answer.ours, "|", answer.ratio, "|", answer.is_reached)
