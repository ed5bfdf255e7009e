"""Sessions open in this process: ended when the interpreter ends, refused in forked copies.

A session that is never closed must not keep the interpreter from ending. So its threads are
daemons, and what is still open when the interpreter ends is cancelled and closed, which is quick.
Work that is lost in this way is warned about: nothing else would tell.
A forked child has the objects of its parent but not the threads: its copies of sessions refuse
everything, with a text that says why.
"""

from __future__ import annotations

import atexit
import itertools
import os
import warnings
from typing import Protocol

from hxgrid.logs import get_logger

_log = get_logger("user")


class Mortal(Protocol):
    """What is needed of a session here."""

    @property
    def has_work(self) -> bool:
        """Whether something is queued, running or being finalized."""

    def close(self, cancel: bool = False) -> None:
        """End it."""

    def refuse_in_child(self) -> None:
        """Refuse everything from now on, without a lock: a thread that held it is not here."""


_open: dict[int, Mortal] = {}
_forked: set[int] = set()
_numbers = itertools.count(1)


def next_number() -> int:
    """Return a number for a new session, to tell the threads of several apart."""
    return next(_numbers)


def add(session: Mortal) -> None:
    """Take care of a session that is being opened."""
    _open[id(session)] = session


def remove(session: Mortal) -> None:
    """Forget a session that has been closed."""
    _open.pop(id(session), None)


def is_forked(session: Mortal) -> bool:
    """Tell whether this is the copy of a session that belongs to a parent process."""
    return id(session) in _forked


def _close_all() -> None:
    sessions = list(_open.values())
    loses_work = any(session.has_work for session in sessions)
    for session in sessions:
        _log.warning("session not closed before the program's end", session=repr(session))
        session.close(cancel=True)
    if loses_work:
        warnings.warn(
            "the program has ended with tasks of hxGrid unfinished, which were cancelled; "
            "leave sessions and executors by `with`, or close them: that waits",
            RuntimeWarning,
            stacklevel=2,
        )


def _refuse_in_child() -> None:
    for key, session in _open.items():
        _forked.add(key)
        session.refuse_in_child()
    # Kept alive but not closed at the end: their sockets and threads are the parent's.
    _inherited.extend(_open.values())
    _open.clear()


_inherited: list[Mortal] = []

atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_refuse_in_child)
