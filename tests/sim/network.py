"""Connections between programs: ordered in each direction, delayed, cut, dropped, doubled.

A *cut* holds everything back until it ends, as TCP does when a cable is pulled. A *drop* loses all
that is under way and renews the connection without telling anybody, as ZeroMQ does: the far end
sees a stranger from then on. A program that is dead or stopped takes nothing in: what reaches a
dead one is lost, a stopped one finds it when it goes on.
"""

from __future__ import annotations

import random
from typing import Protocol

from tests.sim.agenda import Agenda
from tests.sim.messages import Message, Results


class Program(Protocol):
    """One end of connections."""

    @property
    def is_alive(self) -> bool: ...

    @property
    def is_stopped(self) -> bool: ...

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
        self.is_cut = False
        self.extra_delay_s = 0.0
        self.doubles = 0.0

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
        self.is_cut = True

    def heal(self) -> None:
        """End a cut."""
        self.is_cut = False
        self.release()

    def drop(self) -> None:
        """Lose what is under way and become another connection, silently."""
        self._renewals += 1
        self._held.clear()

    def close(self) -> None:
        """End for good."""
        self.is_open = False


class Network:
    """Makes connections and delays."""

    def __init__(self, agenda: Agenda, chance: random.Random) -> None:
        self.agenda = agenda
        self.random = chance
        self._count = 0

    def delay_s(self) -> float:
        """A LAN: a fraction of a millisecond, now and then some more."""
        return 0.0002 * self.random.uniform(0.5, 3.0)

    def connect(self, near: Program, far: Program) -> Connection:
        """Open a connection."""
        self._count += 1
        return Connection(self, self._count, near, far)
