"""Events of a ZeroMQ socket's monitor.

`zmq.utils.monitor` reads them too, and brings asyncio along, which is a tenth of what starting an
application's bridge costs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

_EVENT: Final = struct.Struct("=Hi")


class MonitorEvent(NamedTuple):
    """What has happened to a connection; both numbers as `zmq_socket_monitor` describes them."""

    event: int
    value: int


def read_event(frames: Sequence[bytes]) -> MonitorEvent:
    """Return the event of a monitor's message; its second frame, the endpoint, is not needed."""
    return MonitorEvent(*_EVENT.unpack(frames[0]))
