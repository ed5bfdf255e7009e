"""The grids that are measured: one agent with two slots on loopback, with and without encryption.

Without keys an agent and a coordinator run as separate programs, admitted by the loopback token:
as bare as the baseline, which encrypts nothing either. With keys it is the embedded grid, which
encrypts and signs every frame (CURVE) on both sides.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

import hxgrid
from tests.harness.wait import wait_until

SLOTS = 2
TOKEN = "token"
KEYS = "CURVE keys"


class Grid:
    """A session and the process number of its agent."""

    def __init__(self, kind: str, session: hxgrid.Session, agent: int) -> None:
        self.kind = kind
        self.session = session
        self.agent = agent

    def warm_up(self, task: str, function: str) -> None:
        """Have the module everywhere, and what is learned in the first second learned."""
        for _ in range(4):
            for _ in range(500):
                self.session.run_task(task, function, b"x" * 100)
            self.session.wait_for_completion()


@contextlib.contextmanager
def token_grid(slots: int = SLOTS) -> Iterator[Grid]:
    """Open a session with a coordinator and an agent that were started for it, without keys."""
    with started_agent(slots) as (address, agent), connected(address, slots) as session:
        yield Grid(TOKEN, session, agent)


@contextlib.contextmanager
def started_agent(slots: int = SLOTS, *settings: str) -> Iterator[tuple[str, int]]:
    """Run a coordinator and an agent; gives the coordinator's address and the agent's number."""
    with started_agents(1, slots, *settings) as (address, agents):
        yield address, agents[0]


@contextlib.contextmanager
def started_agents(count: int, slots: int, *settings: str) -> Iterator[tuple[str, list[int]]]:
    """Run a coordinator and so many agents; gives its address and their process numbers."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        port, udp = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
        environment = {
            **os.environ,
            "HXGRID_COORDINATOR_BEACON_PORT": str(udp),
            "HXGRID_AGENT_BEACON_PORT": str(udp),
            # The computer is busy with the benchmark itself.
            "HXGRID_AGENT_SUSPEND_S": "0",
            "HXGRID_AGENT_STORE_FOLDER": str(Path(folder, "store")),
            "HXGRID_AGENT_WORK_FOLDER": folder,
            **dict(setting.split("=", 1) for setting in settings),
        }
        address = f"127.0.0.1:{port}"
        log = stack.enter_context(Path(folder, "log").open("wb"))

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "hxgrid", *arguments, "--quiet"]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(end, process)
            return process

        start("coordinator", "--port", str(port), "--name", f"benchmark-{port}")
        command = ("agent", "--coordinator", address, "--slots", str(slots), "--port", "0")
        yield address, [start(*command).pid for _ in range(count)]


@contextlib.contextmanager
def keyed_grid(slots: int = SLOTS) -> Iterator[Grid]:
    """Open a session with an embedded grid."""
    before = set(psutil.Process().children())
    with hxgrid.connect("local", slots=slots) as session:
        (agent,) = set(psutil.Process().children()) - before
        yield Grid(KEYS, session, agent.pid)


@contextlib.contextmanager
def connected(address: str, slots: int, **arguments: Any) -> Iterator[hxgrid.Session]:
    """Open a session and wait until an agent is there."""
    deadline = time.monotonic() + 30.0
    while True:
        try:
            session = hxgrid.connect(address, timeout=30.0, **arguments)
            break
        except hxgrid.NoGridFound:
            if time.monotonic() > deadline:
                raise
    with session:
        wait_until(lambda: session.connection_status.slots >= slots, 30.0, "agents to come")
        yield session


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program, by force if it does not want to."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
