"""What do native tasks cost through a whole grid, and do they let go when they are told to?

Tasks that do nothing, native ones against Python ones in the same session, and the processor time
of the host process per native one; 300 MB of global data, read by eight tasks on four slots,
against the memory of agent and host before; two computing tasks at a time against one; the time
from `cancel_tasks` until the grid has confirmed that a task which asks is gone; and from the death
of a host process to the next result, against a result when nobody dies. Tasks are C++.
"""

from __future__ import annotations

import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.grids import SLOTS, Grid, token_grid
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, tree_cpu_s, write
from benchmarks.native_calls import compiled, left_out
from tests.harness.wait import wait_until

PYTHON = Path(__file__).parent / "tasks" / "small.py"
COUNT = 20_000
HOST_US = 3.0
DATA_BYTES = 300_000_000
GROWTH = 1.1
AGAIN_S = 0.001
SPEED_UP = 1.9
PAIRS = 9
ROUNDS = 8000
CANCEL_S = 0.05
BACK_S = 1.0


def main() -> list[Answer]:
    """Measure everything and write it down."""
    if left_out("native_tasks"):
        return []
    with tempfile.TemporaryDirectory() as folder:
        module = compiled(Path(folder))
        with token_grid() as grid:
            answers = [
                *nothing(grid, module),
                two_at_a_time(grid, module),
                cancelling(grid, module),
                coming_back(grid, module),
            ]
        with token_grid(4) as grid:
            answers.append(data(grid, module, Path(folder)))
    write("native_tasks", answers)
    return answers


def hosts_of(grid: Grid) -> list[psutil.Process]:
    """Return the host processes: the session's, and the one that is kept ready."""
    return [
        process
        for process in psutil.Process(grid.agent).children()
        if process.cmdline()[3:5] == ["hxgrid", "host"]
    ]


def nothing(grid: Grid, module: Path) -> list[Answer]:
    """Tasks that do nothing, native and in Python by turns."""
    session = grid.session
    costs: list[float] = []

    def run(file: Path, function: str) -> float:
        began = time.perf_counter()
        for _ in range(COUNT):
            session.run_task(file, function, b"8 bytes.")
        session.wait_for_completion()
        return COUNT / (time.perf_counter() - began)

    def run_native() -> float:
        hosts = hosts_of(grid)
        before = sum(tree_cpu_s(host.pid) for host in hosts)
        rate = run(module, "Nothing")
        costs.append((sum(tree_cpu_s(host.pid) for host in hosts) - before) / COUNT * 1e6)
        return rate

    for file, function in ((module, "Nothing"), (PYTHON, "echo")):
        grid.warm_up(str(file), function)
    taken = take_turns({"python": lambda: run(PYTHON, "echo"), "native": run_native})
    ratio = ratio_of(taken["native"], taken["python"])
    cost = Spread.of(costs)
    return [
        Answer(
            question="native tasks that do nothing",
            must_reach="not fewer than Python tasks",
            baseline=f"Python {Spread.of(taken['python'])} /s",
            ours=f"{Spread.of(taken['native'])} /s",
            ratio=f"{ratio:.2f}",
            is_reached=ratio >= 1.0,
            grid=grid.kind,
            details=taken,
        ),
        Answer(
            question="processor time of the host process for each of them",
            must_reach=f"at most {HOST_US:g} us",
            baseline="-",
            ours=f"{cost} us",
            ratio="-",
            is_reached=cost.median <= HOST_US,
            grid=grid.kind,
            details={"us": costs},
        ),
    ]


def two_at_a_time(grid: Grid, module: Path) -> Answer:
    """Two computing tasks on two slots against one."""
    session = grid.session

    def run(count: int) -> Callable[[], float]:
        def measure() -> float:
            began = time.perf_counter()
            for _ in range(count):
                session.run_task(module, "Compute", struct.pack("<I", ROUNDS))
            session.wait_for_completion()
            return time.perf_counter() - began

        return measure

    run(SLOTS)()
    taken = take_turns({"one": run(1), "two": run(2)}, PAIRS)
    ups = [2 * one / two for one, two in zip(taken["one"], taken["two"], strict=True)]
    up = Spread.of(ups)
    return Answer(
        question="two computing native tasks at a time",
        must_reach=f"at least {SPEED_UP:g} times one",
        baseline=f"one {Spread.of(taken['one'])} s",
        ours=f"two {Spread.of(taken['two'])} s",
        ratio=f"{up}",
        is_reached=up.median >= SPEED_UP,
        grid=grid.kind,
        details={"speed_ups": ups},
    )


def coming_back(grid: Grid, module: Path) -> Answer:
    """From the death of the session's host to the next result."""
    session = grid.session

    def result_s() -> float:
        began = time.perf_counter()
        session.run_task(module, "Nothing", b"")
        session.wait_for_completion()
        return time.perf_counter() - began

    def after_death_s() -> float:
        wait_until(lambda: len(hosts_of(grid)) >= 2, 30.0, "the host that is kept ready")
        # Of the two it is the one that has worked.
        max(hosts_of(grid), key=lambda host: tree_cpu_s(host.pid)).kill()
        return result_s()

    result_s()
    taken = take_turns({"ever": result_s, "after": after_death_s})
    spent = Spread.of(taken["after"])
    return Answer(
        question="a native task after the death of its session's host process",
        must_reach=f"under {BACK_S:g} s",
        baseline=f"nobody has died {Spread.of(taken['ever'])} s",
        ours=f"{spent} s",
        ratio="-",
        is_reached=spent.median < BACK_S,
        grid=grid.kind,
        details=taken,
    )


def cancelling(grid: Grid, module: Path) -> Answer:
    """From the order to stop until the agent has said that nothing runs."""
    session = grid.session
    hosts = hosts_of(grid)
    taken = []
    for _ in range(RUNS):
        for _ in range(SLOTS):
            session.run_task(module, "Compute", struct.pack("<I", 1_000_000_000))
        while max(host.cpu_percent(0.1) for host in hosts) < 50.0:
            pass
        began = time.perf_counter()
        session.cancel_tasks()
        taken.append(time.perf_counter() - began)
    spent = Spread.of(taken)
    return Answer(
        question="cancel native tasks that ask",
        must_reach=f"gone in under {CANCEL_S * 1000:g} ms",
        baseline="-",
        ours=f"{spent} s",
        ratio="-",
        is_reached=spent.median < CANCEL_S,
        grid=grid.kind,
        details={"s": taken},
    )


def data(grid: Grid, module: Path, folder: Path) -> Answer:
    """300 MB of global data on four slots."""
    path = folder / "data"
    path.write_bytes(bytes(DATA_BYTES))
    session = grid.session
    session.bind_get_data(lambda _: path)
    grid.warm_up(str(module), "Nothing")
    processes = [psutil.Process(grid.agent), *hosts_of(grid)]
    before = [process.memory_info().rss for process in processes]
    tasks = [session.run_task(module, "ReadData") for _ in range(8)]
    outputs = [bytes(task.result().getbuffer()) for task in tasks if task is not None]
    after = [process.memory_info().rss for process in processes]
    again_s = min(struct.unpack_from("<d", output)[0] for output in outputs)
    agent, *hosts = ((now - then) / DATA_BYTES for now, then in zip(after, before, strict=True))
    growth = agent + sum(hosts)
    return Answer(
        question="300 MB of global data on an agent with 4 slots",
        must_reach=f"memory at most {GROWTH:g} times the data, again under {AGAIN_S * 1000:g} ms",
        baseline="-",
        ours=f"{growth:.2f} times the data, again in {again_s * 1000:.3f} ms",
        ratio="-",
        is_reached=growth <= GROWTH and again_s < AGAIN_S,
        grid=grid.kind,
        details={"agent": agent, "hosts": hosts, "again_s": again_s},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer.question, "|", answer.ours, "|", answer.ratio, "|", answer.is_reached)
