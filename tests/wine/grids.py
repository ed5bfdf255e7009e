"""A grid of programs on loopback whose members have keys, some of them under Wine."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import zmq

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.processes import Programs
from tests.harness.wait import wait_until
from tests.wine.running import LIMIT_S, Wine


class MixedGrid:
    """A coordinator here, and agents here or under Wine. Both kinds have their own tokens: keys."""

    def __init__(self, programs: Programs) -> None:
        self.local = LocalGrid(programs)
        self._keys = {name: _pair() for name in ("COORDINATOR", "AGENT", "USER")}
        self.local.coordinator(environment=self.settings("COORDINATOR"))
        self.local.wait_for_coordinator(LIMIT_S)

    def settings(self, section: str) -> dict[str, str]:
        """Return the settings of one role."""
        allowed = ",".join(public for public, _ in self._keys.values())
        settings = {"PUBLIC_KEY": self._keys[section][0], "SECRET_KEY": self._keys[section][1]}
        settings |= {"ALLOWED_KEYS": allowed}
        if section != "COORDINATOR":
            settings["COORDINATOR_KEY"] = self._keys["COORDINATOR"][0]
        named = {f"HXGRID_{section}_{name}": value for name, value in settings.items()}
        return {**self.local.environment, **named}

    def agent_here(self, slots: int) -> None:
        """Start an agent on this system."""
        self.local.agent(slots=slots, environment=self.settings("AGENT"))

    @contextlib.contextmanager
    def agent_under_wine(self, wine: Wine, slots: int) -> Iterator[Output]:
        """Start an agent for Windows, and end it."""
        command = [wine.python, "-m", "hxgrid", "agent", "--coordinator", self.local.address]
        command += ["--slots", str(slots), "--port", "0"]
        more = {"HXGRID_AGENT_SUSPEND_S": "0", **self.settings("AGENT")}
        with wine.start(command, more) as process:
            output = Output(process)
            try:
                yield output
            finally:
                process.terminate()
                output.join()

    @contextlib.contextmanager
    def session(self, **options: float) -> Iterator[hxgrid.Session]:
        """Open a session of this process."""
        keys = {
            "public_key": self._keys["USER"][0],
            "secret_key": self._keys["USER"][1],
            "coordinator_key": self._keys["COORDINATOR"][0],
            "allowed_keys": [public for public, _ in self._keys.values()],
        }
        with hxgrid.connect(
            self.local.address, settings={**keys, **options}, timeout=LIMIT_S
        ) as session:
            yield session


class Output:
    """What a program prints, read as it comes so that it never waits for us."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._seen: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._thread.start()

    def wait_for(self, words: str) -> None:
        """Wait until these words have been printed."""
        wait_until(lambda: words in self.text(), LIMIT_S, repr(words), seen=self.text)

    def text(self) -> str:
        """Everything so far."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._seen.append(self._lines.get_nowait())
        return "".join(self._seen)

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(LIMIT_S)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line)


def module(name: str) -> Path:
    """Return a file of tasks."""
    return Path(__file__).parent / "tasks" / name


def _pair() -> tuple[str, str]:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()
