"""The application's side: sessions and tasks.

`hxgrid.user.core` decides, the driver owns sockets and the loop, and the classes that an
application sees put commands on the driver's queue. The names are loaded when they are asked for:
the core must be usable where there are no sockets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hxgrid.user.session import Session
    from hxgrid.user.session_views import ConnectionStatus
    from hxgrid.user.task import Task

__all__ = ["Session", "Task", "ConnectionStatus"]

_HOMES = {
    "Session": "session",
    "Task": "task",
    "ConnectionStatus": "session_views",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
