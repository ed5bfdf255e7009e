"""What does the bridge cost? Tasks from a C program against `run_task` from Python, in turns.

Both have an embedded grid of the same size. Also: how long it takes from the start of a program to
its first accepted task (when the grid is there already), and what the library holds in memory.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hxgrid
from benchmarks.grids import SLOTS, connected, started_agent
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, write
from benchmarks.small_tasks import TASK
from hxgrid import native

SOURCE = Path(__file__).parent / "tasks" / "native_caller.c"
LOADS = (("small tasks", 10_000, 10), ("tasks of 8 MB", 64, 8_000_000))
MUST_REACH = 0.7
MOST_KIB = 5 * 1024
START_S = 0.5
START_RUNS = 9


PYTHON_START = """
import sys, time
began = float(sys.argv[1])
import hxgrid
with hxgrid.connect(sys.argv[2]) as session:
    session.run_task(sys.argv[3], "echo")
    print(time.monotonic() - began)
"""


def compiled(folder: Path) -> Path:
    """Compile the C program."""
    library = native.user_library_path()
    if library is None:
        raise SystemExit(native.why_missing())
    program = folder / "caller"
    link = [f"-L{library.parent}", "-lhxgriduser", f"-Wl,-rpath,{library.parent}"]
    subprocess.run(
        ["cc", "-O2", f"-I{native.include_path()}", SOURCE, *link, "-o", program], check=True
    )
    return program


class Caller:
    """The C program, running."""

    def __init__(self, program: Path, address: str = "local") -> None:
        more = {
            "HXGRID_BRIDGE": str(Path(sys.executable).with_name("hxgrid-bridge")),
            "HXGRID_BRIDGE_ADDRESS": address,
            "HXGRID_BRIDGE_SLOTS": str(SLOTS),
        }
        self._process = subprocess.Popen(
            [program, str(TASK)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **more},
        )
        self.start_s = self._read()
        self.memory_kib = self._read()

    def rate(self, count: int, size_bytes: int) -> float:
        """Return the tasks a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count} {size_bytes}\n")
        self._process.stdin.flush()
        return count / self._read()

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> float:
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())


def python_rate(session: hxgrid.Session, count: int, size_bytes: int) -> float:
    """Return the tasks a second."""
    payload = os.urandom(size_bytes)
    sizes: list[int] = []
    began = time.perf_counter()
    for _ in range(count):
        session.run_task(TASK, "echo", payload, lambda out: sizes.append(len(out)))
    session.wait_for_completion()
    return count / (time.perf_counter() - began)


def main() -> list[Answer]:
    """Measure."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = compiled(folder)
        starts = starting(program)
        session = stack.enter_context(hxgrid.connect("local", slots=SLOTS))
        caller = Caller(program)
        stack.callback(caller.close)
        answers = [starts, _memory(caller.memory_kib)]
        for what, count, size_bytes in LOADS:
            measures: dict[str, Callable[[], float]] = {
                "python": partial(python_rate, session, count, size_bytes),
                "native": partial(caller.rate, count, size_bytes),
            }
            values = take_turns(measures, RUNS)
            answers.append(_answer(what, values["native"], values["python"]))
    write("native_callers", answers)
    return answers


def _answer(what: str, ours: list[float], python: list[float]) -> Answer:
    ratio = ratio_of(ours, python)
    return Answer(
        question=f"{what} from C, per second, against Python",
        must_reach=f"at least {MUST_REACH:g} x",
        baseline=str(Spread.of(python)),
        ours=str(Spread.of(ours)),
        ratio=f"{ratio:.2f} x",
        is_reached=ratio >= MUST_REACH,
        grid="embedded",
        details={"python": python, "native": ours},
    )


def starting(program: Path) -> Answer:
    """From the start of an application to its first accepted task, on a grid that is there."""
    with started_agent(SLOTS) as (address, _), connected(address, SLOTS):

        def native_s() -> float:
            caller = Caller(program, address)
            caller.close()
            return caller.start_s

        def python_s() -> float:
            command = [sys.executable, "-c", PYTHON_START, str(time.monotonic()), address]
            done = subprocess.run([*command, str(TASK)], capture_output=True, check=True)
            return float(done.stdout)

        values = take_turns({"python": python_s, "native": native_s}, START_RUNS)
    start = Spread.of(values["native"])
    return Answer(
        question="start of a C program to its first accepted task",
        must_reach=f"under {START_S:g} s",
        baseline=f"Python {Spread.of(values['python'])} s",
        ours=f"{start} s",
        ratio=f"{ratio_of(values['native'], values['python']):.2f} x",
        is_reached=start.median < START_S,
        grid="token",
        details=values,
    )


def _memory(kib: float) -> Answer:
    return Answer(
        question="memory of the library in its application, KiB",
        must_reach=f"at most {MOST_KIB}",
        baseline="-",
        ours=f"{kib:.0f}",
        ratio="-",
        is_reached=kib <= MOST_KIB,
        grid="embedded",
        details={"kib": kib},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer)
