"""Settings of the interpreter and its memory for a program that is an agent and nothing else."""

from __future__ import annotations

import ctypes
import gc
import sys

_YOUNG_OBJECTS = 20_000
"""A batch of attempts makes thousands of objects that live for milliseconds: looking at them less
often than by default (700) finds most of them gone. Worth 7 % of the agent's time."""

_KEPT_BYTES = 32 * 1024 * 1024
_LARGE_BYTES = 8 * 1024 * 1024
"""ZeroMQ takes a megabyte for each chunk of a large payload and gives it back milliseconds later.
By default the C library hands that to the system each time, and filling memory that is fresh from
the system takes several times as long as filling what was used before. It keeps this much now, and
asks the system only for pieces of this size and more."""

# The names of glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def tune() -> None:
    """Leave what the start has made out of garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 50)
    if sys.platform == "linux":
        _keep_memory()


def _keep_memory() -> None:
    library = ctypes.CDLL(None)
    # Other C libraries of Linux have no such function, and no such habit.
    if hasattr(library, "mallopt"):
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
