"""Readings that are the same on every system; what differs comes from the system's own file."""

from __future__ import annotations

import os
import platform
import sys

import psutil

from hxgrid.wire.messages import Capabilities

MAX_MEMORY_BYTES = 1 << 40
"""What a size field of the wire holds."""


def processors() -> int:
    """Return how many processors this process may use, at least one."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def free_memory_bytes() -> int:
    """Return the memory that programs could still get; all of the wire's range if unknown."""
    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, ValueError):
        return MAX_MEMORY_BYTES


def capabilities(labels: tuple[str, ...] = ()) -> Capabilities:
    """Describe this computer, as tasks' requirements are compared with it."""
    try:
        memory_bytes = int(psutil.virtual_memory().total)
    except (OSError, RuntimeError, ValueError):
        memory_bytes = 0
    return Capabilities(
        platform=sys.platform,
        machine=platform.machine()[:64],
        python_implementation=platform.python_implementation(),
        python_version=platform.python_version(),
        processors=processors(),
        memory_bytes=min(memory_bytes, MAX_MEMORY_BYTES),
        labels=labels,
    )
