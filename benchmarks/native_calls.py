"""What do the calls of native tasks cost, by the task library alone, without a grid?

TestConnection against an empty virtual call, a million of each; and what a task loses that asks
10,000 times a second. That is far below what changes from one second of computing to the next, so
it is not the difference of two long runs: each call is timed by itself. The task computes for about
100 microseconds, which empties the nearest caches, and then either asks or calls nothing between
two looks at the clock, by turns; the difference of the medians is what a call costs a task that is
busy with other things. Tasks are C++, compiled with -O2; medians.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import Answer, Spread, write
from hxgrid import native
from tests.native.driver import Driver

SOURCE = Path(__file__).parent / "tasks" / "native.cpp"
QUESTION_NS = 5.0
RATE_HZ = 10_000
LOSS = 0.001
TIMES = 9


def main() -> list[Answer]:
    """Measure everything and write it down."""
    if left_out("native_calls"):
        return []
    with tempfile.TemporaryDirectory() as folder:
        module = compiled(Path(folder))
        answers = [questions(module), ten_kilohertz(module)]
    write("native_calls", answers)
    return answers


def left_out(name: str) -> bool:
    """Say so if native tasks cannot be measured here."""
    missing = native.why_missing() or ("" if shutil.which("c++") else "there is no C++ compiler")
    if missing:
        print(f"{name}: left out: {missing}", file=sys.stderr)
    return bool(missing)


def compiled(folder: Path) -> Path:
    """Compile the tasks."""
    target = folder / "native.so"
    flags = ["-std=c++11", "-O2", "-fPIC", "-shared", f"-I{native.include_path()}"]
    subprocess.run(["c++", *flags, str(SOURCE), "-o", str(target)], check=True)
    return target


def measured(module: Path, function: str) -> list[tuple[float, ...]]:
    """Run a task that measures, several times, and return the numbers that it gave."""
    driver = Driver()
    driver.offer(1, module, function)
    outputs = [driver.call(serial).output for serial in range(1, TIMES + 1)]
    driver.close()
    return [struct.unpack(f"{len(output) // 8}d", output) for output in outputs]


def questions(module: Path) -> Answer:
    """TestConnection, a million times."""
    empty, asked = (Spread.of(each) for each in zip(*measured(module, "Questions"), strict=True))
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
    work_us, looks_ns, asks_ns = zip(*measured(module, "TenKilohertz"), strict=True)
    cost = Spread.of([asked - looked for asked, looked in zip(asks_ns, looks_ns, strict=True)])
    loss = cost.median * 1e-9 * RATE_HZ
    return Answer(
        question="a task that asks at 10 kHz",
        must_reach=f"loses under {LOSS:.1%}",
        baseline=f"two looks at the clock after {Spread.of(work_us)} us of work:"
        f" {Spread.of(looks_ns)} ns",
        ours=f"a question between them: {cost} ns more, a loss of {loss:.4%}",
        ratio=f"{1 + loss:.5f}",
        is_reached=loss < LOSS,
        details={"work_us": work_us, "looks_ns": looks_ns, "asks_ns": asks_ns},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer.question, "|", answer.ours, "|", answer.ratio, "|", answer.is_reached)
