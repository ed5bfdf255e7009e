"""How a task process gets its sockets from the agent: inherited descriptors."""

from __future__ import annotations

import os
import socket


def inherited_sockets(arguments: list[str]) -> tuple[int, socket.socket, socket.socket]:
    """Return the agent's process id, the channel and the bell, from the command line."""
    parent, channel, bell = (int(argument) for argument in arguments)
    return parent, _take(channel), _take(bell)


def _take(descriptor: int) -> socket.socket:
    # A duplicate has the lowest number that is free, which select() can deal with however many
    # descriptors the agent had, and programs that a task starts do not inherit it.
    taken = socket.socket(fileno=os.dup(descriptor))
    os.close(descriptor)
    return taken
