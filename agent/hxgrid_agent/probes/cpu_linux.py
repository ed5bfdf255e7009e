"""Processor time on Linux, from `/proc/stat`.

Task processes run at nice 19, and the kernel counts the time of nice processes apart. So whatever
is nice, ours or another agent's on the same computer, does not count as used by others, without
looking at a single process. Only what the kernel does on behalf of ours is not told apart.
"""

from __future__ import annotations

import os
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class CpuTimes(NamedTuple):
    """Seconds since the start of the computer, all processors together."""

    busy_s: float
    """Used by programs that are not nice, and by the kernel."""
    nice_s: float


def read_cpu_times() -> CpuTimes | None:
    """Return what has been used so far; None if the system does not tell."""
    try:
        with open("/proc/stat", "rb", buffering=0) as file:  # noqa: PTH123 - every second
            fields = file.read(512).split(b"\n", 1)[0].split()
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[1:9])
    except (OSError, ValueError):
        return None
    busy = user + system + irq + softirq + steal
    return CpuTimes(busy / _TICKS_PER_S, nice / _TICKS_PER_S)


def own_time_in_busy(own_user_s: float, own_system_s: float) -> float:
    """Return the part of the task processes' time that `busy_s` contains."""
    del own_user_s  # theirs is nice
    return own_system_s
