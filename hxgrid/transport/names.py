"""Whether the name of a computer means an address, found out beside the loop.

libzmq looks a name up by itself, each time it tries to connect, and does not tell when that fails:
a name that nobody knows looks like a computer that does not answer. So it is looked up here as
well, for the words alone: nobody connects because of what is found.

Looking up can take half a minute and cannot be interrupted, so it has a thread, which ends with the
first success, or with the look-up that is under way when nobody wants to know any more.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hxgrid.errors import NoGridFound

if TYPE_CHECKING:
    from hxgrid.transport.loop import Loop

PAUSE_S: Final = 2.0
"""Before a name that is not known is looked up again: networks and servers start, too."""


def look_up(host: str) -> str:
    """Return what is wrong with a name, or nothing. May take long."""
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeError:
        return "no name is written like this"
    return ""


def is_name(host: str) -> bool:
    """Tell whether a host must be looked up: an address as a number is known, and so are we."""
    if host == "localhost":
        return False
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return False


def unknown_name(host: str, trouble: str, place: str) -> NoGridFound:
    """Return the error for a coordinator's name, which was set at `place`."""
    return NoGridFound(
        f"the coordinator's name {host!r} cannot be resolved",
        where=place,
        why=trouble,
        advice="Check its spelling, or give the address of the coordinator's computer as a number.",
    )


class NameLookup:
    """Looks one name up at a time, until it is known. Belongs to the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        on_looked_up: Callable[[str, str], None],
        *,
        look_up: Callable[[str], str] = look_up,
    ) -> None:
        """`on_looked_up(host, trouble)` is called in the loop's thread; no trouble: it is known."""
        self._loop = loop
        self._on_looked_up = on_looked_up
        self._look_up = look_up
        self._search: _Search | None = None

    def begin(self, host: str) -> None:
        """Look this host up from now on, and no other; a number needs none."""
        if self._search is not None and self._search.host == host:
            return  # under way
        self.close()
        if not is_name(host):
            return
        search = self._search = _Search(host)
        threading.Thread(target=self._run, args=(search,), name="hxgrid-name", daemon=True).start()

    def close(self) -> None:
        """Tell nothing any more. Twice is harmless."""
        search, self._search = self._search, None
        if search is not None:
            search.is_over.set()

    def _run(self, search: _Search) -> None:
        trouble = "not looked up"
        while trouble and not search.is_over.is_set():
            trouble = self._look_up(search.host)
            self._loop.call_soon_threadsafe(lambda trouble=trouble: self._tell(search, trouble))  # type: ignore[misc]
            search.is_over.wait(PAUSE_S if trouble else 0)

    def _tell(self, search: _Search, trouble: str) -> None:
        if search is not self._search:
            return
        if not trouble:
            self._search = None
        self._on_looked_up(search.host, trouble)


class _Search:
    """One name that is looked up."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.is_over = threading.Event()
