"""`hxgrid agent --embedded` as the parent sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from hxgrid.transport.security import make_keypair
from hxgrid.wire.messages import RosterEntry
from tests.harness.wait import wait_until

LIMIT_S = 30


@pytest.fixture
def child() -> Any:
    command = [sys.executable, "-m", "hxgrid", "agent", "--embedded"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def order(folder: Path, **changes: Any) -> bytes:
    keys, user = make_keypair(), make_keypair()
    settings = {
        "slots": 2,
        "bind": "127.0.0.1",
        "port": 0,
        "agent_name": "local",
        "public_key": keys.public,
        "secret_key": keys.secret,
        "allowed_keys": [user.public],
        "work_folder": str(folder / "work"),
        "store_folder": str(folder / "store"),
        **changes,
    }
    return json.dumps({"settings": settings, "parent_pid": 1}).encode() + b"\n"


def test_it_tells_where_it_listens_and_ends_with_its_input(
    child: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    stdin, stdout = pipes(child)
    stdin.write(order(tmp_path))
    stdin.flush()
    entry = RosterEntry.model_validate_json(stdout.readline())
    assert entry.name == "local"
    assert entry.slots == 2
    assert entry.addresses[0].host == "127.0.0.1"
    assert len(entry.public_key) == 40
    agent = psutil.Process(child.pid)

    def slots() -> list[psutil.Process]:
        # A process that has only just been started still shows the agent's command.
        return [one for one in agent.children() if "hxgrid slot" in " ".join(one.cmdline())]

    wait_until(lambda: len(slots()) == 2, LIMIT_S, "two task processes")
    started = slots()
    stdin.close()
    assert child.wait(LIMIT_S) == 0
    wait_until(lambda: not any(p.is_running() for p in started), LIMIT_S, "the slots to end")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json\n", "no settings"),
        (b"\n", "no settings"),
        (b'{"settings": {"slots": -1}, "parent_pid": 1}\n', "slots"),
        (b'{"settings": {"sluts": 1}, "parent_pid": 1}\n', "sluts"),
        (b'{"settings": {"slots": 1}}\n', "no settings"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    child: subprocess.Popen[bytes], line: bytes, said: str
) -> None:
    stdin, stdout = pipes(child)
    stdin.write(line)
    stdin.close()
    answer = json.loads(stdout.readline())
    assert said in answer["error"]
    assert child.wait(LIMIT_S) == 2
