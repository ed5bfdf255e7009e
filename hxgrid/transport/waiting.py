"""The one place that chooses between the systems' ways of waiting for many handles."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from hxgrid.transport.waiting_windows import READABLE, WRITABLE, Waiter
elif sys.platform == "linux":
    from hxgrid.transport.waiting_linux import READABLE, WRITABLE, Waiter
else:
    from hxgrid.transport.waiting_posix import READABLE, WRITABLE, Waiter

__all__ = ["READABLE", "WRITABLE", "Waiter"]
