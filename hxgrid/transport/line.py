"""A connection to one address that is made again whenever it is lost, and proved again each time.

For whoever talks to the same program for a long time (its coordinator, a neighbouring agent)::

    line = Line(loop, clock, factory, "coordinator", on_ready=..., on_readable=..., on_failed=...)
    line.open(host, port, server_key)      # on_ready: say what is to be said first
    line.send(frames)                      # False: not now; on_ready will tell when
    line.receive()                         # from on_readable

The first message after each `on_ready` shows `proof`. Whoever owns the line calls `tick` by its
`next_deadline`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from hxgrid.errors import AuthenticationError, HxGridError, VersionMismatch
from hxgrid.transport.dialling import Dial, Proved
from hxgrid.transport.handshakes import HUNG_UP
from hxgrid.transport.sockets import Received, SocketFactory, receive_message, send_message

if TYPE_CHECKING:
    from hxgrid.clock import Clock
    from hxgrid.transport.loop import Loop
    from hxgrid.wire.batches import Buffer
    from hxgrid.wire.messages import Proof

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
"""Before connecting again; doubles from the first to the second."""

MOST_HANG_UPS: Final = 3
"""One may be a program that ends; so many in a row are meant."""


class Line:
    """One lasting connection. Belongs to the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        factory: SocketFactory,
        role: str,
        *,
        on_ready: Callable[[], None],
        on_readable: Callable[[], None],
        on_failed: Callable[[HxGridError], None],
    ) -> None:
        """`on_failed` tells that the wrong program answers; the line tries on until it is closed.

        That nobody answers is not told: whoever waits knows for how long.
        """
        self._loop = loop
        self._clock = clock
        self._factory = factory
        self._role = role
        self._on_ready = on_ready
        self._on_readable = on_readable
        self._on_failed = on_failed
        self._address = ("", 0, "")
        self._dial: Dial | None = None
        self._proved: Proved | None = None
        self._dial_at: float | None = None
        self._pause_s = FIRST_PAUSE_S
        self._hang_ups = 0  # in a row, each before anything was proved

    @property
    def is_open(self) -> bool:
        """Whether there is an address that is connected to, or tried."""
        return bool(self._dial or self._proved or self._dial_at is not None)

    @property
    def is_proved(self) -> bool:
        """Whether something may be sent."""
        return self._proved is not None

    @property
    def proof(self) -> Proof | None:
        """To be shown in the first message on this connection; None where there is none to show."""
        return self._proved.proof if self._proved is not None else None

    def open(self, host: str, port: int, server_key: str = "") -> None:
        """Connect here from now on; HxGridError if that can never be."""
        self.close()
        self._address = (host, port, server_key)
        self._pause_s = FIRST_PAUSE_S
        self._dial_now()

    def close(self, *, at_once: bool = True) -> None:
        """Let go of the socket; what was sent still leaves, unless `at_once`. Twice is harmless."""
        self._dial_at = None
        if self._dial is not None:
            self._dial.close()
            self._dial = None
        proved, self._proved = self._proved, None
        if proved is not None:
            self._loop.unregister(proved.socket)
            proved.socket.close(0 if at_once else None)

    def send(self, frames: Sequence[Buffer]) -> bool:
        """Send one message; False if there is no connection. `on_ready` tells of the next one."""
        proved = self._proved
        if proved is None:
            return False
        if send_message(proved.socket, frames):
            return True
        # Not left to libzmq, even where it may: only a new socket tells why nobody lets us in.
        self.close()
        self._dial_later()
        return False

    def receive(self) -> Received | None:
        """Take one message, or None if none is waiting."""
        if self._proved is None:
            return None
        return receive_message(self._proved.socket, is_router=False)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._dial is not None:
            self._dial.tick(now)
        if self._dial_at is not None and now >= self._dial_at:
            try:
                self._dial_now()
            except HxGridError as error:
                self._on_dial_failed(error)  # such as no socket left

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next."""
        return self._dial.deadline if self._dial is not None else self._dial_at

    def _dial_now(self) -> None:
        self._dial_at = None
        dial = Dial(self._loop, self._role, self._on_proved, self._on_dial_failed)
        dial.start(self._factory, *self._address, self._clock.now())
        self._dial = dial

    def _dial_later(self) -> None:
        self._dial_at = self._clock.now() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _on_proved(self, proved: Proved) -> None:
        self._dial = None
        self._proved = proved
        self._pause_s = FIRST_PAUSE_S
        self._loop.register(proved.socket, self._on_readable)
        self._on_ready()

    def _on_dial_failed(self, error: HxGridError) -> None:
        self._dial = None
        self._dial_later()
        self._hang_ups = self._hang_ups + 1 if error.why == HUNG_UP else 0
        if self._hang_ups >= MOST_HANG_UPS:
            # With keys there, the connection may end before its greeting, which says so, is read.
            error = AuthenticationError(
                f"the {self._role} hangs up before anything is said",
                why="maybe it has keys, and we have none",
                advice="Keys are set by public_key, secret_key, coordinator_key and allowed_keys.",
            )
        if isinstance(error, AuthenticationError | VersionMismatch):
            self._on_failed(error)
