"""The agent's ends of the two socket pairs that it shares with one task process.

Frames go both ways over one; what it does not take at once is kept until it does. The other is the
bell: one byte makes a process that is inside a task look into the first.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import Final

from hxgrid_agent.execution import frames, platform
from hxgrid_agent.execution.frames import FrameReader

_RECEIVE_BYTES: Final = 256 * 1024


class Channel:
    """Sends and receives frames without ever waiting. Made by `open`."""

    def __init__(self, channel: socket.socket, bell: socket.socket) -> None:
        self.socket = channel
        """What the loop waits for."""
        self.is_cut = False
        """The socket has ended, or is not to be listened to any more."""
        self._bell = bell
        self._reader = FrameReader(frames.MAX_BODY_BYTES)
        # Memory for what is received: a new piece each time would be mapped and unmapped.
        self._space = memoryview(bytearray(_RECEIVE_BYTES))
        self._unsent: deque[memoryview] = deque()
        self._rings_when_sent = False

    @classmethod
    def open(cls) -> tuple[Channel, socket.socket, socket.socket]:
        """Make both pairs; returns our ends, and the process's: channel and bell."""
        ours, channel = platform.socket_pair()
        our_bell, bell = platform.socket_pair()
        ours.setblocking(False)
        our_bell.setblocking(False)
        return cls(ours, our_bell), channel, bell

    def close(self) -> None:
        """Close our end of the frames' pair. Twice is harmless."""
        self.socket.close()

    def close_bell(self) -> None:
        """Close the bell, which nobody hears any more. Twice is harmless."""
        self._bell.close()

    @property
    def wants_write(self) -> bool:
        """Whether something waits for the socket to take it."""
        return bool(self._unsent)

    def send(self, frame: bytes) -> None:
        """Send a frame after those that wait."""
        if self.is_cut:
            return
        if self._unsent:
            self._unsent.append(memoryview(frame))
            return
        try:
            sent = self.socket.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it is dying; reading tells
        if sent < len(frame):
            self._unsent.append(memoryview(frame)[sent:])

    def on_writable(self) -> None:
        """Send what waits, as far as the socket takes it."""
        unsent = self._unsent
        try:
            while unsent:
                sent = self.socket.send(unsent[0])
                if sent < len(unsent[0]):
                    unsent[0] = unsent[0][sent:]
                else:
                    unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            # It is dying; reading tells.
            unsent.clear()
        self._ring_if_sent()

    def receive(self) -> list[tuple[int, bytes]] | None:
        """Return the frames (kind, body) that have come; None if no more will.

        Raises `FrameError` if what has come is none.
        """
        try:
            size = self.socket.recv_into(self._space)
        except BlockingIOError:
            return []
        except OSError:
            size = 0
        if not size:
            return None
        return self._reader.feed(bytes(self._space[:size]))

    def has_last_words(self) -> bool:
        """Say whether `receive` still finds something that was sent before the end."""
        if self.is_cut:
            return False
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def ring(self) -> None:
        """Make the process look into its socket, as soon as all that was sent is in there."""
        self._rings_when_sent = True
        self._ring_if_sent()

    def _ring_if_sent(self) -> None:
        if self._rings_when_sent and not self._unsent:
            self._rings_when_sent = False
            # If it cannot be rung, a ring that it has not heard yet is pending, or it is dying.
            with contextlib.suppress(OSError):
                self._bell.send(b"!")
