"""Freezing and measuring a tree of processes by looking for them, on whatever system this is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from hxgrid_agent.execution import tree_walking
from tests.harness.wait import wait_until

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


@pytest.fixture
def tree() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for a child of its own, which computes."""
    with subprocess.Popen([sys.executable, "-c", PARENT]) as process:
        wait_until(lambda: len(tree_walking.members(process)) == 2, 30, "the child to start")
        yield process
        for member in reversed(tree_walking.members(process)):
            member.kill()


def test_a_frozen_tree_uses_no_processor_and_goes_on_later(
    tree: subprocess.Popen[bytes],
) -> None:
    child = tree_walking.members(tree)[1]
    tree_walking.stop_tree(tree, "")
    wait_until(lambda: tree_walking.is_stopped(tree), 10, "the parent to stop")
    wait_until(lambda: child.status() == psutil.STATUS_STOPPED, 10, "the child to stop")
    before_s = tree_walking.cpu_seconds(tree)
    assert before_s is not None
    assert tree_walking.cpu_seconds(tree) == before_s
    tree_walking.continue_tree(tree, "")
    assert not tree_walking.is_stopped(tree)
    wait_until(lambda: (tree_walking.cpu_seconds(tree) or 0) > before_s, 10, "the child to go on")


def test_a_tree_that_is_gone_has_no_members_and_no_time() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert tree_walking.members(process) == []
    assert tree_walking.cpu_seconds(process) is None
    assert not tree_walking.is_stopped(process)
    tree_walking.stop_tree(process, "")
    tree_walking.continue_tree(process, "")
