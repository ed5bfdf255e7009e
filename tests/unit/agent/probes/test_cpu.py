from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from hxgrid_agent.probes import cpu, cpu_psutil
from hxgrid_agent.probes.affinity import pin, processors_for_slots
from hxgrid_agent.probes.cpu import CpuProbe
from hxgrid_agent.probes.readings import capabilities, free_memory_bytes, processors


def probe_after(monkeypatch: pytest.MonkeyPatch, busy_s: float, seconds: float = 1.0) -> CpuProbe:
    """A probe of four processors of which `busy_s` were used in `seconds`."""
    readings = iter([cpu_psutil.CpuTimes(100.0, 0.0), cpu_psutil.CpuTimes(100.0 + busy_s, 0.0)])
    monkeypatch.setattr(cpu, "read_cpu_times", lambda: next(readings))
    monkeypatch.setattr(cpu, "_agent_seconds", lambda: 5.0)
    probe = CpuProbe(4, now=10.0)
    probe.read([], now=10.0 + seconds)
    return probe


def test_what_others_use_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe_after(monkeypatch, 3.0).free_cpu == pytest.approx(1.0)
    assert probe_after(monkeypatch, 0.0).free_cpu == pytest.approx(4.0)
    assert probe_after(monkeypatch, 99.0).free_cpu == pytest.approx(0.0)


def test_a_system_that_tells_nothing_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "read_cpu_times", lambda: None)
    probe = CpuProbe(4, now=10.0)
    probe.read([], now=11.0)
    assert probe.free_cpu == 4.0


def test_processes_that_are_gone_are_skipped() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    probe = CpuProbe(processors(), now=10.0)
    probe.read([gone.pid, os.getpid()], now=11.0)
    assert 0.0 <= probe.free_cpu <= processors()
    assert probe.own_cpu >= 0.0


def test_the_real_readings_make_sense() -> None:
    probe = CpuProbe(processors(), now=10.0)
    general = cpu_psutil.read_cpu_times()
    assert probe._times is not None
    assert general is not None
    assert probe._times.busy_s > 0
    assert general.busy_s > 0
    assert cpu_psutil.own_time_in_busy(1.0, 2.0) == 3.0
    assert free_memory_bytes() > 0
    described = capabilities(("gpu",))
    assert described.processors == processors() >= 1
    assert described.memory_bytes > 0
    assert described.labels == ("gpu",)


def test_slots_take_the_highest_processors_and_leave_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: [0, 1, 2, 3], raising=False)
    assert processors_for_slots(2) == [2, 3]
    assert processors_for_slots(4) == []
    assert processors_for_slots(9) == []


def test_pinning_what_is_gone_is_harmless() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    pin(gone.pid, [0])
