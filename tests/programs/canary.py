"""How long a process of no importance had to wait for a processor on this computer.

Tasks run at idle priority, so on a busy computer they stand still though nothing is wrong. Limits
of time count from what this program has seen: it naps, takes as little time as it can, and prints
the longest time that one round took.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

NAP_S = 0.02


class Canary:
    """Runs this file as a program; `stop` gives the longest round in seconds."""

    def __enter__(self) -> Self:
        self._program = subprocess.Popen(
            [sys.executable, Path(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def stop(self) -> float:
        """End it, and return the longest round."""
        told, _ = self._program.communicate(timeout=60)
        return float(told)

    def __exit__(self, *_: object) -> None:
        if self._program.poll() is None:
            self._program.kill()
            self._program.communicate()


def main() -> None:
    """Nap until standard input ends."""
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    longest_s, before = 0.0, time.monotonic()
    while not select.select([sys.stdin], [], [], NAP_S)[0]:
        now = time.monotonic()
        longest_s, before = max(longest_s, now - before), now
    sys.stdout.write(str(longest_s))


if __name__ == "__main__":
    main()
