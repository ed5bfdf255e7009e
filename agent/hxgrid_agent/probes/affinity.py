"""Which processors task processes may use, so that those left to the owner stay free.

They share the highest-numbered ones, as many as there are slots. The system may move them among
these: a process tied to one processor would wait there while its neighbour is idle.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import psutil


def processors_for_slots(slots: int) -> list[int]:
    """Return the processors for task processes; empty if they may use all or none can be chosen."""
    try:
        usable = sorted(psutil.Process().cpu_affinity() or ())
    except (psutil.Error, OSError, AttributeError):  # not every system has it
        return []
    return usable[-slots:] if slots < len(usable) else []


def pin(process_id: int, processors: Sequence[int]) -> None:
    """Keep a process, and what it starts, to these processors. What cannot be is left as it is."""
    with contextlib.suppress(psutil.Error, OSError, AttributeError, ValueError):
        psutil.Process(process_id).cpu_affinity(list(processors))
