"""Killing a task process and everything it has started, on Windows: a job object holds them all.

The job ends all its processes when its last handle is closed, so they also end with the agent.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from ctypes import wintypes

assert sys.platform == "win32"

_EXTENDED_LIMIT_INFORMATION = 9
_KILL_ON_JOB_CLOSE = 0x2000
_EXIT_CODE = 1

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.CreateJobObjectW.restype = wintypes.HANDLE
_kernel.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
_kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
_kernel.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
_kernel.SetInformationJobObject.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.DWORD,
)
_kernel.CloseHandle.argtypes = (wintypes.HANDLE,)

_jobs: dict[int, int] = {}


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("per_process_user_time_limit", ctypes.c_int64),
        ("per_job_user_time_limit", ctypes.c_int64),
        ("limit_flags", wintypes.DWORD),
        ("minimum_working_set_size", ctypes.c_size_t),
        ("maximum_working_set_size", ctypes.c_size_t),
        ("active_process_limit", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority_class", wintypes.DWORD),
        ("scheduling_class", wintypes.DWORD),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory_limit", ctypes.c_size_t),
        ("job_memory_limit", ctypes.c_size_t),
        ("peak_process_memory_used", ctypes.c_size_t),
        ("peak_job_memory_used", ctypes.c_size_t),
    )


def enclose(process: subprocess.Popen[bytes]) -> None:
    """Put a process that has just been started into a job of its own."""
    job = _kernel.CreateJobObjectW(None, None)
    limits = _ExtendedLimits()
    limits.basic.limit_flags = _KILL_ON_JOB_CLOSE
    is_done = _kernel.SetInformationJobObject(
        job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    ) and _kernel.AssignProcessToJobObject(job, int(process._handle))  # type: ignore[attr-defined]  # noqa: SLF001
    if not is_done:
        error = ctypes.WinError(ctypes.get_last_error())
        process.kill()
        raise error
    _jobs[process.pid] = job


def kill_tree(process: subprocess.Popen[bytes], mark: str) -> None:  # noqa: ARG001 - as on Linux
    """Kill a task process and all that belongs to it. It must not have been waited for yet."""
    job = _jobs.pop(process.pid, None)
    if job is not None:
        _kernel.TerminateJobObject(job, _EXIT_CODE)
        _kernel.CloseHandle(job)
