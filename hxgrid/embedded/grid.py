"""The grid as its application sees it: starts the agents, knows the keys, ends everything."""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hxgrid.embedded.child import AgentChild
from hxgrid.embedded.folder import TemporaryFolder
from hxgrid.errors import ConfigError, HxGridError
from hxgrid.settings import load_agent_settings
from hxgrid.transport.security import KeyPair, make_keypair
from hxgrid.wire.messages import RosterEntry

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

START_LIMIT_S = 30.0
"""An interpreter from a cold network drive, on a busy computer, comes up within this."""

CLOSE_GRACE_S = 1.0
"""What an agent gets to end its task processes; then it is killed, and they with it."""

MAX_AGENTS = 256
"""As many as `hxgrid up` starts. Each is a process, and has task processes of its own."""

# What only makes sense for an agent that others find by itself, and what is made for each anew.
_NOT_INHERITED = {
    *("name", "coordinator", "coordinator_key", "allow_discard_coordinator", "beacon_port"),
    *("trust_network", "bind", "port", "agent_name", "public_key", "secret_key", "allowed_keys"),
    *("work_folder", "store_folder", "log_file"),
}


class EmbeddedGrid:
    """Starts agents as children of this process and ends them. Used by one thread at a time.

    Only the program's end may come in between, when a thread that is no more waited for is starting
    agents: they are ended before their folder is removed, or they would make it again.
    """

    def __init__(
        self,
        agents: int = 1,
        slots: int | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """`settings` are keys of [agent], above those from the files and the environment.

        Without `slots` the agents share the processors, less those left to the owner.
        """
        if not 1 <= agents <= MAX_AGENTS:
            raise ConfigError(
                f"an embedded grid has from 1 to {MAX_AGENTS} agents, not {agents}",
                advice="One agent uses all processors; slots= says how many tasks it runs at once.",
            )
        self.user_keys: KeyPair = make_keypair()
        """With which the application shows itself to the agents."""
        self._agent_count = agents
        self._slots = slots
        self._settings = dict(settings or {})
        self._folder: TemporaryFolder | None = None
        self._lock = threading.Lock()  # held while agents are started or ended
        self._children: list[AgentChild] = []
        self._is_closed = False

    def start(self, timeout_s: float = START_LIMIT_S) -> list[RosterEntry]:
        """Start all agents and wait until they listen; `HxGridError` says what they said instead.

        A setting that is wrong raises `ConfigError` before anything is started.
        """
        orders = [self._order(number) for number in range(1, self._agent_count + 1)]
        at_exit = functools.partial(self._close_at_exit, os.getpid())
        try:
            folder = self._folder = TemporaryFolder()
            atexit.register(at_exit)
            # All are started before the first is waited for: interpreters take their time.
            for number, order in enumerate(orders, 1):
                self._start_agent(number, folder.path / f"agent-{number}", order)
            deadline = time.monotonic() + timeout_s
            return [child.wait_for_answer(deadline) for child in self._children]
        except BaseException:
            self.close()
            raise
        finally:
            atexit.unregister(at_exit)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The agents' processes that have not ended."""
        return tuple(child.process.id for child in self._children if child.process.is_running)

    def logs(self) -> str:
        """Return the last of what the agents have said on standard error."""
        return "".join(child.log_tail() for child in self._children)

    def close(self, grace_s: float = CLOSE_GRACE_S) -> None:
        """End all agents and what they started, and remove their files. Twice is harmless."""
        with self._lock:
            self._is_closed = True
            children, self._children = self._children, []
            for child in children:
                child.process.ask_to_end()
            deadline = time.monotonic() + grace_s
            for child in children:
                child.process.end(deadline)
            folder, self._folder = self._folder, None
            if folder is not None:
                folder.remove()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_agent(self, number: int, place: Path, order: dict[str, Any]) -> None:
        with self._lock:
            if self._is_closed:
                raise HxGridError("the embedded grid was closed while it started")
            self._children.append(AgentChild(number, place, order))

    def _close_at_exit(self, process_id: int) -> None:
        if os.getpid() == process_id:  # else a forked copy; the agents are the original's
            self.close()

    def _order(self, number: int) -> dict[str, Any]:
        """Return the settings for one agent; all that is needed to join this grid and no other."""
        loaded = load_agent_settings(arguments={"slots": self._slots, **self._settings})
        given = {key for key, origin in loaded.origins.items() if origin.layer != "default"}
        chosen = loaded.settings.model_dump(mode="json", include=given - _NOT_INHERITED)
        keys = make_keypair()
        shared = max(1, processors() - loaded.settings.free_cpu_count) // self._agent_count
        return {
            "slots": max(1, shared),
            # Several agents would all pin their slots to the same processors.
            "explicit_cpu": False,
            # The person at this computer waits for these very tasks; low priority is enough.
            "suspend_s": 0,
            "log_level": "warning",
            **chosen,
            "agent_name": "local" if self._agent_count == 1 else f"local-{number}",
            "bind": "127.0.0.1",
            "port": 0,
            "public_key": keys.public,
            "secret_key": keys.secret,
            "allowed_keys": [self.user_keys.public],
        }


def processors() -> int:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
