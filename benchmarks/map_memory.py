"""How large does the user's process get while a million small tasks go through `map`?

In a process of its own, because the largest size that a process ever had cannot be reset. The
baseline is the same process just before the map begins: Python, hxGrid, an open session.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.grids import SLOTS, connected, started_agent
from benchmarks.measuring import Answer, write

TASKS = 1_000_000
MUST_REACH_MB = 200


def half(number: int) -> float:
    """Be a small task."""
    return number / 2


def in_own_process(address: str) -> None:
    """Run the map and print what it took."""
    with connected(address, SLOTS) as session:
        before = psutil.Process().memory_info().rss / 1e6
        began = time.perf_counter()
        total = sum(session.map(half, range(TASKS)))
        took_s = time.perf_counter() - began
        if total != sum(range(TASKS)) / 2:
            raise SystemExit("map gave another sum")
    print(json.dumps({"before_mb": before, "peak_mb": _peak_mb(), "took_s": took_s}))


def main() -> list[Answer]:
    """Measure once: a peak has no median."""
    with started_agent() as (address, _):
        command = [sys.executable, "-m", "benchmarks.map_memory", address]
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    found = json.loads(said)
    answer = Answer(
        question=f"{TASKS:,} small tasks through map, memory of the user's process",
        must_reach=f"under {MUST_REACH_MB} MB",
        baseline=f"{found['before_mb']:.0f} MB before",
        ours=f"{found['peak_mb']:.0f} MB at most",
        ratio=f"{TASKS / found['took_s'] / 1000:.0f}k calls/s",
        is_reached=found["peak_mb"] < MUST_REACH_MB,
        grid="token",
        details=found,
    )
    write("map_memory", [answer])
    return [answer]


def _peak_mb() -> float:
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 1e6
    if sys.platform == "linux":
        # Not getrusage: there a process begins with the size of the one that started it.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1:
        in_own_process(sys.argv[1])
    else:
        for answer in main():
            print(answer)
