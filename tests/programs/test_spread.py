"""Large global data spreads from agent to agent, and from the user where that is not possible."""

from __future__ import annotations

import hashlib
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

import hxgrid
from tests.harness.jobs import APPS
from tests.harness.local_grid import LocalGrid
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.lan_grid import LanGrid
    from tests.harness.processes import Programs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_process")]

MIB = 1024 * 1024
SIZE = 6 * MIB + 12_345
LIMIT_S = 60.0

TASK = """
import hashlib

def digest(agent, session_id, source, sink):
    content = agent.get_data(source.read().decode()).read()
    sink.write(hashlib.sha256(content).hexdigest().encode())
    return True
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "spread_task.py"
    path.write_text(TASK, encoding="utf-8")
    return path


def content(name: str, size: int = SIZE) -> bytes:
    return random.Random(name).randbytes(size)


def read_everywhere(session: hxgrid.Session, task: Path, name: str, agents: int) -> None:
    """Have so many agents of one slot read the same data, and compare."""
    tasks = [session.run_task(task, "digest", name.encode()) for _ in range(agents)]
    assert session.wait_for_completion(LIMIT_S)
    wanted = hashlib.sha256(content(name)).hexdigest()
    for each in tasks:
        assert each is not None
        assert each.result().getvalue().decode() == wanted


def sent_bytes(session: hxgrid.Session) -> int:
    """What has left the user in bulk."""
    driver = session._engine.driver
    return sum(link.taken_bytes for link in driver.links.values())


def wait_for_agents(session: hxgrid.Session, count: int) -> None:
    wait_until(
        lambda: session.connection_status.connected_agents == count, LIMIT_S, "agents to connect"
    )


@pytest.fixture(params=["token", "trusted network"])
def grid(request: pytest.FixtureRequest, programs: Programs) -> Iterator[LocalGrid]:
    grid = LocalGrid(programs, trust_network=request.param != "token")
    grid.coordinator()
    grid.wait_for_coordinator(LIMIT_S)
    yield grid
    programs.end_politely()


def start_agents(grid: LocalGrid, tmp_path: Path, count: int, **environment: str) -> None:
    for number in range(count):
        folder = tmp_path / f"agent-{number}"
        folder.mkdir()
        grid.agent(
            "--port", "0", environment={"HXGRID_AGENT_STORE_FOLDER": str(folder), **environment}
        )


def test_data_leaves_the_user_about_once(grid: LocalGrid, task: Path, tmp_path: Path) -> None:
    start_agents(grid, tmp_path, 3)
    with grid.connect() as session:
        wait_for_agents(session, 3)
        session.bind_get_data(content)
        for turn in range(4):  # a busy computer may make a neighbour late for once
            before = sent_bytes(session)
            read_everywhere(session, task, f"turn {turn}", 3)
            if sent_bytes(session) - before < 1.5 * SIZE:
                return
        raise AssertionError("the user has served everybody each time")


def test_with_keys_agents_let_each_other_in(task: Path) -> None:
    with hxgrid.connect("local", agents=3, slots=1) as session:
        wait_for_agents(session, 3)
        session.bind_get_data(content)
        for turn in range(4):
            before = sent_bytes(session)
            read_everywhere(session, task, f"turn {turn}", 3)
            if sent_bytes(session) - before < 1.5 * SIZE:
                return
        raise AssertionError("the user has served everybody each time")


def test_agents_that_serve_nobody_leave_it_to_the_user(
    programs: Programs, task: Path, tmp_path: Path
) -> None:
    grid = LocalGrid(programs)
    grid.coordinator()
    grid.wait_for_coordinator(LIMIT_S)
    start_agents(grid, tmp_path, 2, HXGRID_AGENT_NEIGHBOURS_SERVED="0")
    with grid.connect() as session:
        wait_for_agents(session, 2)
        session.bind_get_data(content)
        read_everywhere(session, task, "a", 2)
    programs.end_politely()


def test_h19_many_agents_ask_at_once_and_control_messages_get_through(
    programs: Programs, tmp_path: Path
) -> None:
    """H19: six agents want 20 MB of modules and data each; none is suspected meanwhile."""
    grid = LocalGrid(programs)
    grid.coordinator()
    grid.wait_for_coordinator(LIMIT_S)
    start_agents(grid, tmp_path, 6)
    path = tmp_path / "large_task.py"
    filler = random.Random(1).randbytes(2 * MIB).hex()
    path.write_text(f"{TASK}\nFILLER = '{filler}'\n", encoding="utf-8")
    with grid.connect() as session:
        wait_for_agents(session, 6)
        session.bind_get_data(lambda name: content(name, 16 * MIB))
        tasks = [session.run_task(path, "digest", b"large") for _ in range(6)]
        wanted = hashlib.sha256(content("large", 16 * MIB)).hexdigest()
        slowest_s = 0.0
        while not session.wait_for_completion(0.05):
            asked_at = time.monotonic()
            session.explain()  # answered by the loop that sends it all
            slowest_s = max(slowest_s, time.monotonic() - asked_at)
        for each in tasks:
            assert each is not None
            assert each.result().getvalue().decode() == wanted
            # Copies of stragglers are all right; agents that seemed dead are not.
            assert "lost" not in {attempt.outcome for attempt in each.attempts}
        assert slowest_s < 5.0
    programs.end_politely()


@pytest.mark.system("root", "ip")
def test_agents_that_cannot_reach_each_other_get_it_from_the_user(
    lan_grid: LanGrid, task: Path
) -> None:
    """A firewall between agents costs a second, and not again and again."""
    user, *agents = lan_grid.lan.machines
    for one in agents:
        for other in agents:
            if one is not other:
                one.block(other)
    lan_grid.coordinator(user)
    for machine in agents:
        lan_grid.agent(machine, slots=1)
    place = {"prefix": user.prefix, "home": lan_grid.programs.folder / "home-user"}
    program = lan_grid.programs.python(
        APPS / "spread.py", task, str(len(agents)), str(SIZE), **place
    )
    told: dict[str, Any] = program.wait(LIMIT_S).expect(0).json()
    assert told["right"]
    assert told["sent"] >= len(agents) * SIZE  # nobody but the user could serve
    assert told["took_s"] < 20.0  # one or two seconds, where the computer has nothing else to do
