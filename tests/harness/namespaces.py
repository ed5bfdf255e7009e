"""A small LAN inside this computer: network namespaces as machines, joined by a bridge.

Only the network is apart: all machines share the processes and the disk, so programs on different
machines get different home directories. Names carry the pid of the test run, so that two runs can
live side by side, and what a killed run has left behind is recognised and removed.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import pytest

_NAME = re.compile(r"^hx(\d+)[a-z]+\d+(?:m\d+)?$")
_lan_numbers = itertools.count()


class NamespaceError(RuntimeError):
    """A command that builds or changes the test LAN failed."""


def reason_against() -> str | None:
    """Why namespaces cannot be used here, or None when they can."""
    if shutil.which("ip") is None:
        return "network namespaces need the command ip (package iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        return f"network namespaces are not allowed here: {probe.stderr.decode().strip()}"
    return None


def require_namespaces() -> None:
    """Skip the calling test, with the reason, where namespaces cannot be used."""
    reason = reason_against()
    if reason is not None:
        pytest.skip(reason)


@dataclass(frozen=True)
class Machine:
    """One namespace with one network card, `eth0`."""

    name: str
    address: str
    number: int
    socket: str
    """The other end of its cable, at the bridge."""

    @property
    def prefix(self) -> list[str]:
        """What to write before a command so that it runs on this machine."""
        return ["ip", "netns", "exec", self.name]

    def cut(self) -> None:
        """Pull the network cable."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def reconnect(self) -> None:
        """Put the network cable back."""
        _ip("-n", self.name, "link", "set", "eth0", "up")

    @property
    def path(self) -> Path:
        """The file that stands for this namespace."""
        return Path("/run/netns") / self.name

    def redirect(self, port: int, to_port: int) -> None:
        """Lead connections that come from other machines to another port of this one."""
        rules = (
            "add table ip hx",
            "add chain ip hx in { type nat hook prerouting priority dstnat; }",
            f"add rule ip hx in tcp dport {port} redirect to :{to_port}",
        )
        for rule in rules:
            _run([*self.prefix, "nft", rule])

    def block(self, other: Machine) -> None:
        """Let nothing through from here to another machine, without a word, as firewalls do."""
        _ip("-n", self.name, "route", "add", "blackhole", f"{other.address}/32")

    def limit_rate(self, megabit_per_s: float) -> None:
        """Slow down what this machine sends."""
        _run(["tc", "-n", self.name, *_limit("eth0", megabit_per_s)])

    def limit_rate_in(self, megabit_per_s: float) -> None:
        """Slow down what this machine receives."""
        _run(["tc", *_limit(self.socket, megabit_per_s)])

    def unlimit_rate(self) -> None:
        """Take the limit away again."""
        _run(["tc", "-n", self.name, "qdisc", "del", "dev", "eth0", "root"])


class Lan:
    """Machines on one bridge, numbered from 1; made by `with Lan(4) as lan`."""

    def __init__(self, machine_count: int) -> None:
        number = next(_lan_numbers)
        self._stem = f"hx{os.getpid()}"
        self._bridge = f"{self._stem}b{number}"
        network = f"10.77.{number % 250}"  # bridges are apart, so runs may use the same numbers
        self.machines = [
            Machine(f"{self._stem}n{number}m{i}", f"{network}.{i}", i, f"{self._bridge}m{i}")
            for i in range(1, machine_count + 1)
        ]

    def __enter__(self) -> Self:
        remove_stale()
        _LIVE.add(self)
        try:
            self._build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __getitem__(self, number: int) -> Machine:
        """The machine with this number, counted from 1."""
        return self.machines[number - 1]

    def _build(self) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("link", "set", self._bridge, "up")
        for machine in self.machines:
            outer = machine.socket
            _ip("netns", "add", machine.name)
            inner = ("peer", "name", "eth0", "netns", machine.name)
            _ip("link", "add", outer, "type", "veth", *inner)
            _ip("link", "set", outer, "master", self._bridge, "up")
            _ip(
                "-n",
                machine.name,
                "addr",
                "add",
                f"{machine.address}/24",
                "brd",
                "+",
                "dev",
                "eth0",
            )
            _ip("-n", machine.name, "link", "set", "eth0", "up")
            _ip("-n", machine.name, "link", "set", "lo", "up")

    def remove(self) -> None:
        """Take everything away; harmless when it is gone already."""
        for machine in self.machines:
            with contextlib.suppress(NamespaceError):
                _ip("netns", "del", machine.name)
            with contextlib.suppress(NamespaceError):  # goes with its namespace, but later
                _ip("link", "del", machine.socket)
        with contextlib.suppress(NamespaceError):
            _ip("link", "del", self._bridge)
        _LIVE.discard(self)


def _limit(card: str, megabit_per_s: float) -> list[str]:
    """The arguments of tc that let a network card send no more than this."""
    # Room for what comes in 10 ms: cards hand over up to 64 KiB at a time.
    burst_kb = max(64, round(megabit_per_s / 8 * 10))
    rate = ["rate", f"{megabit_per_s:g}mbit", "burst", f"{burst_kb}kb", "latency", "200ms"]
    return ["qdisc", "replace", "dev", card, "root", "tbf", *rate]


def existing_names() -> list[str]:
    """The namespaces and network cards of any test run that exist at this moment."""
    namespaces = [line.split()[0] for line in _ip("netns", "list").splitlines() if line.strip()]
    links = [line.split()[0].partition("@")[0] for line in _ip("-br", "link").splitlines()]
    return [name for name in (*namespaces, *links) if _NAME.match(name)]


def remove_stale() -> None:
    """Remove what runs that no longer exist have left behind."""
    for name in existing_names():
        match = _NAME.match(name)
        if match is None or psutil.pid_exists(int(match[1])):
            continue
        for command in (("netns", "del", name), ("link", "del", name)):
            with contextlib.suppress(NamespaceError):
                _ip(*command)


def _ip(*arguments: str) -> str:
    return _run(["ip", *arguments])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NamespaceError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


_LIVE: set[Lan] = set()


@atexit.register
def _remove_what_lives() -> None:
    for lan in list(_LIVE):
        lan.remove()
