"""What every connection of a session is made with."""

from __future__ import annotations

from typing import NamedTuple

from hxgrid.clock import Clock
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory


class Network(NamedTuple):
    """The session's loop, and what opens sockets on it."""

    loop: Loop
    clock: Clock
    factory: SocketFactory
    security: Security
