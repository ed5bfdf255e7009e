"""hxGrid: runs the tasks of one program on the idle processors of a whole LAN.

    import hxgrid

    with hxgrid.connect() as session:
        for result in session.map(work, items):
            ...

The public names are loaded when they are first asked for. A task process imports `hxgrid` for
`Stream` and `TaskAgent` alone, and would otherwise pay for the sockets and settings of the
application's side at every start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hxgrid.errors import (
    AddressInUse,
    AttemptRecord,
    AuthenticationError,
    ConfigError,
    DataUnavailable,
    HxGridError,
    LocalProtocolError,
    ModuleError,
    NoGridFound,
    ProtocolError,
    RemoteProtocolError,
    SessionClosed,
    SeveralGridsFound,
    StoreError,
    TaskCancelled,
    TaskError,
    TaskFailed,
    TransportError,
    VersionMismatch,
)

if TYPE_CHECKING:
    from hxgrid.connecting import connect
    from hxgrid.executor import Executor
    from hxgrid.modules import ModuleSet
    from hxgrid.streams import Stream
    from hxgrid.tasks import TaskAgent
    from hxgrid.user import ConnectionStatus, Session, Task

__version__ = "0.1.0"

__all__ = [
    "connect",
    "Session",
    "Task",
    "Executor",
    "Stream",
    "ModuleSet",
    "TaskAgent",
    "ConnectionStatus",
    "HxGridError",
    "ConfigError",
    "NoGridFound",
    "SeveralGridsFound",
    "AuthenticationError",
    "ProtocolError",
    "LocalProtocolError",
    "RemoteProtocolError",
    "VersionMismatch",
    "TransportError",
    "AddressInUse",
    "StoreError",
    "SessionClosed",
    "TaskError",
    "TaskFailed",
    "TaskCancelled",
    "ModuleError",
    "DataUnavailable",
    "AttemptRecord",
    "__version__",
]

_HOMES = {
    "connect": "hxgrid.connecting",
    "Session": "hxgrid.user",
    "Task": "hxgrid.user",
    "Executor": "hxgrid.executor",
    "ConnectionStatus": "hxgrid.user",
    "Stream": "hxgrid.streams",
    "ModuleSet": "hxgrid.modules",
    "TaskAgent": "hxgrid.tasks",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its room, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
