"""Processor time on systems where nice time is not counted apart, by psutil."""

from __future__ import annotations

from typing import NamedTuple

import psutil


class CpuTimes(NamedTuple):
    """Seconds since the start of the computer, all processors together."""

    busy_s: float
    nice_s: float
    """Always 0 here."""


def read_cpu_times() -> CpuTimes | None:
    """Return what has been used so far; None if the system does not tell."""
    try:
        times = psutil.cpu_times()
    except (OSError, RuntimeError):
        return None
    return CpuTimes(sum(times) - times.idle, 0.0)


def own_time_in_busy(own_user_s: float, own_system_s: float) -> float:
    """Return the part of the task processes' time that `busy_s` contains."""
    return own_user_s + own_system_s
