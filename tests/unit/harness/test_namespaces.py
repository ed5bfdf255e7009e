from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import namespaces
from tests.harness.namespaces import Lan, Machine
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system("root", "ip")


@pytest.fixture
def lan() -> Iterator[Lan]:
    namespaces.require_namespaces()
    with Lan(2) as lan:
        yield lan


def hears(listener: Machine, sender: Machine, address: str) -> bool:
    """Whether a datagram from one machine to `address` arrives at the other."""
    listen = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "s.bind(('', 4105)); s.settimeout(2); print('ready', flush=True); s.recv(1)"
    )
    send = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1);"
        f"s.sendto(b'x', ('{address}', 4105))"
    )
    with subprocess.Popen(
        [*listener.prefix, "python3", "-c", listen],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as waiting:
        assert waiting.stdout is not None
        waiting.stdout.readline()
        subprocess.run(
            [*sender.prefix, "python3", "-c", send], check=False, stderr=subprocess.DEVNULL
        )
        return waiting.wait(10) == 0


def test_machines_hear_each_other_until_the_cable_is_pulled(lan: Lan) -> None:
    broadcast = lan[1].address.rpartition(".")[0] + ".255"
    assert hears(lan[2], lan[1], lan[2].address)
    assert hears(lan[2], lan[1], broadcast)
    lan[2].cut()
    assert not hears(lan[2], lan[1], lan[2].address)
    lan[2].reconnect()
    wait_until(lambda: hears(lan[2], lan[1], lan[2].address), 20, "the cable to work again")


def test_a_rate_limit_can_be_set_and_taken_away(lan: Lan) -> None:
    lan[1].limit_rate(20)
    lan[1].limit_rate(10)
    lan[1].unlimit_rate()


def test_nothing_stays_after_a_failure() -> None:
    namespaces.require_namespaces()
    lan = Lan(2)

    def fail_on_the_lan() -> None:
        with lan:
            assert lan[1].name in namespaces.existing_names()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_on_the_lan()
    assert lan[1].name not in namespaces.existing_names()


def test_what_a_killed_run_left_is_removed() -> None:
    namespaces.require_namespaces()
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    name = f"hx{ended.pid}n0m1"
    subprocess.run(["ip", "netns", "add", name], check=True)
    namespaces.remove_stale()
    assert name not in namespaces.existing_names()
