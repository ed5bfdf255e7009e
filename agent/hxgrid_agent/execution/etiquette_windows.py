"""How a task process makes itself unobtrusive, on Windows. Runs in the task process, once.

The agent starts it with IDLE_PRIORITY_CLASS; background mode adds low priority for disk and memory.
"""

from __future__ import annotations

import ctypes
import sys

assert sys.platform == "win32"

_PROCESS_MODE_BACKGROUND_BEGIN = 0x00100000
_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.GetCurrentProcess.restype = ctypes.c_void_p
_kernel.SetPriorityClass.argtypes = (ctypes.c_void_p, ctypes.c_uint32)


def end_with_parent(parent: int) -> bool:  # noqa: ARG001 - the same signature on every system
    """Return True: the job object that the agent holds ends this process with the agent."""
    return True


def be_unobtrusive(*, keeps_core_dumps: bool = False) -> list[str]:
    """Take low priorities for disk and memory too; return what could not be done."""
    del keeps_core_dumps  # a matter of the registry here
    if _kernel.SetPriorityClass(_kernel.GetCurrentProcess(), _PROCESS_MODE_BACKGROUND_BEGIN):
        return []
    return [f"background mode: {ctypes.WinError(ctypes.get_last_error())}"]


def flush_native() -> None:
    """Write out what C code has printed and the C library still holds."""
    ctypes.cdll.msvcrt.fflush(None)
