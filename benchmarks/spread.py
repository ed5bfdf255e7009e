"""How long do 200 MB of global data take to 8 agents, over links of 200 Mbit/s?

Nine machines are network namespaces on one bridge, each link limited both ways (tbf): one for the
user, eight for agents. One after the other, the eight would take as long as eight transfers,
because all of it leaves by the user's link. The baseline is the same transfer to one of them, in
turns.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.grids import end
from benchmarks.measuring import Answer, Spread, write
from tests.harness.namespaces import Lan, Machine, reason_against

AGENTS, MEGABYTES, MEGABIT_PER_S, RUNS = 8, 200, 200.0, 2
LIMIT = 2.0
QUESTION = f"{MEGABYTES} MB of global data to {AGENTS} agents, links of {MEGABIT_PER_S:g} Mbit/s"


def main() -> list[Answer]:
    """Measure, or say why it cannot be done here."""
    reason = reason_against() or _without_tc()
    answer = _refused(reason) if reason else _measure()
    write("spread", [answer])
    return [answer]


def _measure() -> Answer:
    with Lan(AGENTS + 1) as lan, _agents(lan) as numbers_of:
        began = time.monotonic()
        idle_before = _idle_s()
        numbers = numbers_of()
        spent_s = time.monotonic() - began
        busy = 1.0 - (_idle_s() - idle_before) / spent_s / (os.cpu_count() or 1)
    one, every = numbers["one"], numbers["all"]
    ratio = statistics.median(b / a for a, b in zip(one, every, strict=True))
    wire_s = MEGABYTES * 8 / MEGABIT_PER_S
    return Answer(
        question=QUESTION,
        must_reach=f"at most {LIMIT:g} x the time of one transfer",
        baseline=f"{Spread.of(one)} s to one agent; the line alone {wire_s:.1f} s",
        ours=f"{Spread.of(every)} s to {AGENTS}",
        ratio=f"{ratio:.2f}",
        is_reached=ratio <= LIMIT,
        grid="trusted network",
        details={**numbers, "line_s": wire_s, "processors_busy": round(busy, 2)},
    )


@contextlib.contextmanager
def _agents(lan: Lan) -> Iterator[Any]:
    """Start the grid; gives what runs the user and returns its numbers."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for machine in lan.machines:
            machine.limit_rate(MEGABIT_PER_S)
            machine.limit_rate_in(MEGABIT_PER_S)
        log = stack.enter_context(Path(folder, "log").open("wb"))

        def start(machine: Machine, *arguments: str) -> None:
            command = [*machine.prefix, sys.executable, "-m", "hxgrid", *arguments]
            process = subprocess.Popen(
                [*command, "--trust-network", "--quiet"],
                env=_environment(folder, machine),
                stdout=log,
                stderr=log,
            )
            stack.callback(end, process)

        user, *agents = lan.machines
        start(user, "coordinator")
        for machine in agents:
            start(machine, "agent", "--slots", "1", "--coordinator", user.address)

        def numbers_of() -> dict[str, list[float]]:
            size = (str(AGENTS), str(MEGABYTES), str(RUNS))
            command = [sys.executable, "-m", "benchmarks.spread_user", user.address, *size]
            done = subprocess.run(
                [*user.prefix, *command],
                env=_environment(folder, user),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=600,
            )
            numbers: dict[str, list[float]] = json.loads(done.stdout)
            return numbers

        yield numbers_of


def _environment(folder: str, machine: Machine) -> dict[str, str]:
    home = Path(folder, f"home-{machine.number}")
    home.mkdir(exist_ok=True)
    settings = {
        "HOME": str(home),
        "HXGRID_AGENT_AGENT_NAME": machine.name,
        "HXGRID_AGENT_WORK_FOLDER": str(home),
        "HXGRID_AGENT_SUSPEND_S": "0",  # this computer is busy with the benchmark itself
    }
    return {**os.environ, **settings}


def _idle_s() -> float:
    """Return for how long the processors have had nothing to do, together."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / float(os.sysconf("SC_CLK_TCK"))


def _without_tc() -> str:
    with Lan(1) as lan:
        try:
            lan[1].limit_rate(MEGABIT_PER_S)
        except (OSError, RuntimeError) as error:
            return f"links cannot be limited here (tc, tbf): {error}"
    return ""


def _refused(reason: str) -> Answer:
    return Answer(
        question=QUESTION,
        must_reach=f"at most {LIMIT:g} x the time of one transfer",
        baseline="-",
        ours=f"not measured: {reason}",
        ratio="-",
        is_reached=None,
    )


if __name__ == "__main__":
    print(main()[0])
