"""Connections between programs: ordered in each direction, delayed, cut, dropped, doubled.

A *cut* holds everything back until it ends, as TCP does when a cable is pulled; a *partition* does
so for every connection to a place, those that are opened meanwhile as well. A *drop* loses all that
is under way and renews the connection without telling anybody, as ZeroMQ does: the far end
sees a stranger from then on. A program that is dead or stopped takes nothing in: what reaches a
dead one is lost, a stopped one finds it when it goes on.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Protocol

from tests.sim.agenda import Agenda
from tests.sim.messages import Message, Results


class Program(Protocol):
    """One end of connections."""

    @property
    def is_alive(self) -> bool: ...

    @property
    def is_stopped(self) -> bool: ...

    @property
    def place(self) -> str:
        """The computer it runs on."""
        ...

    def receive(self, peer: bytes, message: Message) -> None: ...


class Connection:
    """Between the user (the near end) and an agent (the far end)."""

    def __init__(self, network: Network, number: int, near: Program, far: Program) -> None:
        self._network = network
        self._number = number
        self._ends = (near, far)
        self._renewals = 0
        self._last_at = [0.0, 0.0]
        self._held: list[tuple[int, int, Message]] = []
        self.is_open = True
        self._is_cut = False
        self.extra_delay_s = 0.0
        self.doubles = 0.0

    @property
    def is_cut(self) -> bool:
        """Say whether it holds everything back."""
        return self._is_cut or self._network.is_parted(self._ends[1].place)

    @property
    def peer(self) -> bytes:
        """How the far end names this connection at the moment."""
        return f"{self._number}.{self._renewals}".encode()

    def send(self, message: Message, *, to_far: bool, peer: bytes = b"") -> None:
        """Have a message arrive later. From the far end it must name the peer it knows."""
        if not self.is_open or (not to_far and peer != self.peer):
            return
        direction = int(to_far)
        delay_s = self._network.delay_s() + self.extra_delay_s
        arrives_at = max(self._last_at[direction], self._network.agenda.now + delay_s)
        self._last_at[direction] = arrives_at
        renewals = self._renewals
        self._network.agenda.at(arrives_at, lambda: self._arrive(direction, renewals, message))
        if isinstance(message, Results) and self._network.random.random() < self.doubles:
            self._network.agenda.at(arrives_at, lambda: self._arrive(direction, renewals, message))

    def _arrive(self, direction: int, renewals: int, message: Message) -> None:
        end = self._ends[direction]
        if not self.is_open or renewals != self._renewals or not end.is_alive:
            return
        if self.is_cut or end.is_stopped:
            self._held.append((direction, renewals, message))
        else:
            end.receive(self.peer, message)

    def release(self) -> None:
        """Deliver what was held back, as far as that is possible now."""
        held, self._held = self._held, []
        for item in held:
            self._arrive(*item)

    def cut(self) -> None:
        """Hold everything back from now on."""
        self._is_cut = True

    def heal(self) -> None:
        """End a cut."""
        self._is_cut = False
        self.release()

    def drop(self) -> None:
        """Lose what is under way and become another connection, silently."""
        self._renewals += 1
        self._held.clear()

    def close(self) -> None:
        """End for good."""
        self.is_open = False
        self._network.forget(self)


class Network:
    """Makes connections, delays them and parts computers from the user's."""

    def __init__(self, agenda: Agenda, chance: random.Random) -> None:
        self.agenda = agenda
        self.random = chance
        self.opened = 0
        """Connections so far."""
        self._open: dict[Connection, None] = {}
        self._parted: Counter[str] = Counter()

    def delay_s(self) -> float:
        """A LAN: a fraction of a millisecond, now and then some more."""
        return 0.0002 * self.random.uniform(0.5, 3.0)

    def connect(self, near: Program, far: Program) -> Connection:
        """Open a connection."""
        self.opened += 1
        connection = Connection(self, self.opened, near, far)
        self._open[connection] = None
        return connection

    def forget(self, connection: Connection) -> None:
        """Take note that a connection has ended."""
        self._open.pop(connection, None)

    def is_parted(self, place: str) -> bool:
        """Say whether nothing gets to this computer or from it."""
        return self._parted[place] > 0

    def part(self, place: str) -> None:
        """Let nothing through to a computer, nor from it."""
        self._parted[place] += 1

    def join(self, place: str) -> None:
        """Undo one `part`, and deliver what was held back."""
        self._parted[place] -= 1
        for connection in list(self._open):
            connection.release()
