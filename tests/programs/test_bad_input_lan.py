"""Mistakes that need a LAN or a disk of their own: grids without a name, a store without room."""

from __future__ import annotations

import os
import random
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.jobs import APPS
from tests.harness.local_grid import LocalGrid
from tests.harness.wait import wait_until
from tests.programs.expectations import expect_clear, expect_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.lan_grid import LanGrid
    from tests.harness.processes import Programs

pytestmark = [pytest.mark.system("root", "ip"), pytest.mark.timeout(300)]

LIMIT_S = 120
TASKS = APPS / "tasks.py"


def test_two_grids_need_a_name(lan_grid: LanGrid) -> None:
    user, names = lan_grid.lan[4], ("render-farm", "test-bench")
    for number, name in enumerate(names, 1):
        lan_grid.coordinator(lan_grid.lan[number], "--name", name)
        lan_grid.agent(lan_grid.lan[number], "--name", name)
    for number, name in enumerate(names, 1):
        lan_grid.wait_for_list(user, [lan_grid.lan[number]], LIMIT_S, "--name", name)
    ended = lan_grid.hxgrid(user, "agents", "--json").wait(LIMIT_S)
    expect_clear(ended, 3, *names, "--name")
    lan_grid.programs.end_politely()


def test_two_coordinators_of_one_name_are_reported_and_do_not_fight(lan_grid: LanGrid) -> None:
    first, second = (lan_grid.lan[number] for number in (1, 2))
    coordinators = [lan_grid.coordinator(one, "--name", "twins") for one in (first, second)]
    agent = lan_grid.agent(lan_grid.lan[3], "--name", "twins")

    def is_reported() -> bool:
        said = "".join(program.stderr() for program in (*coordinators, agent))
        return first.address in said and second.address in said

    wait_until(is_reported, LIMIT_S, "both addresses in a report", seen=lan_grid.programs.logs)
    assert all(program.is_running for program in (*coordinators, agent))
    lan_grid.programs.end_politely()


@pytest.fixture
def small_disk(tmp_path: Path, programs: Programs) -> Iterator[Path]:
    """A folder on a disk of 8 MB."""
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root, to mount it")
    folder = tmp_path / "small-disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        programs.stop_all()
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_fails_the_task_that_needs_it_and_no_other(
    programs: Programs, small_disk: Path, own_process: None
) -> None:
    grid = LocalGrid(programs, trust_network=True)
    grid.coordinator("--bind", "127.0.0.1")
    grid.agent("--bind", "127.0.0.1", home=small_disk)
    grid.wait_for_agents(1, LIMIT_S)
    sizes = {"small": 100_000, "large": 32 << 20}
    session = grid.connect()
    session.bind_get_data(lambda name: random.Random(0).randbytes(sizes[name]))

    large = session.run_task(TASKS, "pass_on_data", b"large")
    others = [session.run_task(TASKS, "echo", b"%d" % number) for number in range(10)]
    assert large is not None
    error = large.exception()
    assert error is not None
    expect_words(error, str(small_disk), "large")
    assert [one.result(LIMIT_S).read() for one in others if one] == [b"%d" % n for n in range(10)]
    small = session.run_task(TASKS, "pass_on_data", b"small")
    assert small is not None
    assert len(small.result(LIMIT_S)) == sizes["small"]
    session.close(cancel=True)
    programs.end_politely()
