"""How much of the processors others use, and how much our task processes do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import psutil

if sys.platform == "linux":
    from hxgrid_agent.probes.cpu_linux import CpuTimes, own_time_in_busy, read_cpu_times
else:
    from hxgrid_agent.probes.cpu_psutil import CpuTimes, own_time_in_busy, read_cpu_times

_LEAST_INTERVAL_S = 0.2
"""Between two readings: the system counts in hundredths."""


class CpuProbe:
    """Compares two readings of the processor times. The first answer is "all free"."""

    def __init__(self, processors: int, now: float) -> None:
        self._processors = processors
        self._times = read_cpu_times()
        self._read_at = now
        self._own: dict[int, tuple[float, float]] = {}
        self._agent_s = _agent_seconds()
        self.free_cpu = float(processors)
        """Processors' worth of time not used by others, 0 to all."""
        self.own_cpu = 0.0
        """Processors' worth of time used by our task processes."""

    def read(self, process_ids: Iterable[int], now: float) -> None:
        """Take a reading; `process_ids` are the task processes."""
        elapsed_s = now - self._read_at
        if elapsed_s < _LEAST_INTERVAL_S:
            return
        user_s, system_s = self._own_seconds(process_ids)
        agent_s = _agent_seconds()
        times = read_cpu_times()
        if times is not None and self._times is not None:
            busy_s = _grown(times, self._times)
            others_s = busy_s - own_time_in_busy(user_s, system_s) - (agent_s - self._agent_s)
            used = min(max(others_s / elapsed_s, 0.0), float(self._processors))
            self.free_cpu = self._processors - used
        self.own_cpu = max(0.0, (user_s + system_s) / elapsed_s)
        self._times, self._read_at, self._agent_s = times, now, agent_s

    def _own_seconds(self, process_ids: Iterable[int]) -> tuple[float, float]:
        """User and system time that the task processes have used since the last reading."""
        now_used: dict[int, tuple[float, float]] = {}
        user_s = system_s = 0.0
        for process_id in process_ids:
            try:
                times = psutil.Process(process_id).cpu_times()
            except (psutil.Error, OSError):
                continue
            # Children count once their parent has waited for them.
            used = (times.user + times.children_user, times.system + times.children_system)
            before = self._own.get(process_id, (0.0, 0.0))
            user_s += max(0.0, used[0] - before[0])
            system_s += max(0.0, used[1] - before[1])
            now_used[process_id] = used
        self._own = now_used
        return user_s, system_s


def _grown(now: CpuTimes, before: CpuTimes) -> float:
    return max(0.0, now.busy_s - before.busy_s)


def _agent_seconds() -> float:
    """The agent's own time: not the owner's, and not a reason to stand back."""
    times = os.times()
    return times.user + times.system
