"""What noise, lies and strangers on the network get: nothing, while the others go on working."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import hxgrid
from hxgrid.wire.versions import PROTOCOL_MAJOR, PROTOCOL_MINOR
from tests.harness import peers, proctree, strangers
from tests.harness.jobs import Job
from tests.harness.local_grid import LocalGrid
from tests.harness.ports import free_port
from tests.harness.wait import wait_until
from tests.programs.expectations import expect_clear, expect_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.processes import Programs
    from tests.harness.proctree import Address

pytestmark = pytest.mark.slow

LIMIT_S = 120
ALLOWED_GROWTH_BYTES = 200 << 20  # an attacker claims 8 GiB


@pytest.fixture
def grid(programs: Programs) -> Iterator[LocalGrid]:
    """A grid of separate programs, without keys."""
    grid = LocalGrid(programs)
    grid.up(agents=1, slots=2)
    grid.wait_for_agents(1, LIMIT_S)
    yield grid
    programs.end_politely()


def separate_programs(programs: Programs) -> Job:
    grid = LocalGrid(programs)
    grid.up(agents=1, slots=2)
    grid.wait_for_agents(1, LIMIT_S)
    return grid.job()


def embedded_grid(programs: Programs) -> Job:
    return Job(programs, "--address", "local", "--slots", "2")


def noise(address: Address) -> None:
    for seed in range(10):
        peers.send_tcp_garbage(address, seed=seed, limit_s=0.5)


def oversized_frames(address: Address) -> None:
    assert peers.send_oversized_frame(address)


def oversized_frames_before_the_keys(address: Address) -> None:
    assert peers.send_oversized_frame(address, mechanism="CURVE")


def endless_messages(address: Address) -> None:
    assert peers.send_endless_message(address, limit_bytes=4 << 30) < 4 << 30


def also_slowly(*attacks: tuple[Any, Any]) -> list[Any]:
    """The rest of the combinations."""
    return [pytest.param(*attack, marks=pytest.mark.slow) for attack in attacks]


@pytest.mark.parametrize(
    ("start", "attack"),
    [
        (embedded_grid, oversized_frames_before_the_keys),
        (separate_programs, peers.send_message_garbage),
        *also_slowly(
            (embedded_grid, noise),
            (embedded_grid, oversized_frames),
            (embedded_grid, endless_messages),
            (embedded_grid, peers.send_message_garbage),
            (separate_programs, noise),
            (separate_programs, oversized_frames),
            (separate_programs, oversized_frames_before_the_keys),
            (separate_programs, endless_messages),
        ),
    ],
)
def test_an_attack_on_every_port_disturbs_nobody(
    programs: Programs, start: Callable[[Programs], Job], attack: Callable[[Address], None]
) -> None:
    job = start(programs)
    job.wait_for_more(5, LIMIT_S)
    victims = programs.living()
    before = sum(proctree.resident_bytes(one.pid) for one in victims)
    addresses = proctree.listening_addresses(victims)
    assert addresses
    for address in addresses:
        attack(address)
    job.wait_for_more(20, LIMIT_S)
    assert set(victims) <= set(programs.living()), "a process has gone"
    assert sum(proctree.resident_bytes(one.pid) for one in victims) < before + ALLOWED_GROWTH_BYTES
    job.finish(LIMIT_S)
    programs.end_politely()


@pytest.mark.slow
@pytest.mark.parametrize("start", [separate_programs, embedded_grid])
def test_silent_connections_keep_nobody_from_working(
    programs: Programs, start: Callable[[Programs], Job]
) -> None:
    job = start(programs)
    job.wait_for_more(5, LIMIT_S)
    with contextlib.ExitStack() as stack:
        for address in proctree.listening_addresses(programs.living()):
            for connection in peers.open_silent_connections(address, 200):
                stack.enter_context(connection)
        job.wait_for_more(20, LIMIT_S)
    job.finish(LIMIT_S)
    programs.end_politely()


def test_garbage_datagrams_disturb_nobody(programs: Programs) -> None:
    job = separate_programs(programs)
    job.wait_for_more(5, LIMIT_S)
    addresses = proctree.datagram_addresses(programs.living())
    assert addresses, "a coordinator listens for datagrams"
    for address in addresses:
        peers.send_udp_garbage(address, count=2000)
    job.wait_for_more(20, LIMIT_S)
    job.finish(LIMIT_S)
    programs.end_politely()


# ------------------------------------------------------------------ another protocol version


def agent_address(grid: LocalGrid) -> Address:
    addresses = proctree.listening_addresses(grid.programs.living())
    return next(address for address in addresses if address[1] != grid.port)


def test_an_agent_refuses_a_user_of_another_version_and_names_both(grid: LocalGrid) -> None:
    answer = strangers.ask(agent_address(grid), strangers.hello())
    assert answer is not None
    number, fields = answer
    assert number == strangers.REFUSAL
    expect_words(fields["text"], "99.0", f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}")


def test_a_coordinator_refuses_an_agent_of_another_version_and_names_both(
    grid: LocalGrid,
) -> None:
    answer = strangers.ask(("127.0.0.1", grid.port), strangers.agent_status())
    assert answer is not None
    number, fields = answer
    assert number == strangers.REFUSAL
    expect_words(fields["text"], "99.0", f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}")
    assert len(grid.agents_listed()) == 1


def test_a_command_names_both_versions_of_a_strange_coordinator(programs: Programs) -> None:
    with strangers.OtherVersionCoordinator() as stranger:
        address = f"127.0.0.1:{stranger.port}"
        ended = programs.run("agents", "--coordinator", address)
        expect_clear(ended, 1, "99.0", f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}", address)


def test_connecting_names_both_versions_of_a_strange_coordinator(own_process: None) -> None:
    with (
        strangers.OtherVersionCoordinator() as stranger,
        pytest.raises(hxgrid.VersionMismatch, match=rf"99\.0.*{PROTOCOL_MAJOR}\.{PROTOCOL_MINOR}"),
    ):
        hxgrid.connect(f"127.0.0.1:{stranger.port}", timeout=5)


def test_an_agent_says_so_and_goes_on_looking(programs: Programs) -> None:
    with strangers.OtherVersionCoordinator() as stranger:
        agent = programs.hxgrid("agent", "--coordinator", f"127.0.0.1:{stranger.port}")
        wait_until(lambda: "99.0" in agent.stderr(), LIMIT_S, "both versions", seen=agent.log)
        assert agent.is_running
    programs.end_politely()


# ------------------------------------------------------------------ nobody there, names


def test_b39_no_coordinator_is_an_error_that_names_the_ways_on(own_process: None) -> None:
    with pytest.raises(hxgrid.NoGridFound) as caught:
        hxgrid.connect(f"127.0.0.1:{free_port()}", timeout=1)
    expect_words(caught.value, 'connect("local")', "hxgrid up")


def test_two_grids_without_a_name_are_listed_to_applications_and_agents(
    programs: Programs, own_process: None
) -> None:
    first, second = LocalGrid(programs), LocalGrid(programs)
    second.udp_port = first.udp_port  # one network
    for grid in (first, second):
        grid.coordinator()
        grid.wait_for_coordinator(LIMIT_S)

    user = {"beacon_port": first.udp_port}
    with pytest.raises(hxgrid.SeveralGridsFound) as caught:
        hxgrid.connect(settings=user, timeout=LIMIT_S)
    expect_words(caught.value, first.name, second.name, "name")

    agent = programs.hxgrid("agent", "--slots", "1", environment=first.environment)
    wait_until(
        lambda: first.name in agent.stderr() and second.name in agent.stderr(),
        LIMIT_S,
        "both grids in the agent's log",
        seen=agent.log,
    )
    assert agent.is_running
    assert not first.agents_listed()
    assert not second.agents_listed()
    with hxgrid.connect(settings=user, name=second.name, timeout=LIMIT_S) as session:
        assert session.connection_status.connected_to_coordinator
    programs.end_politely()


def test_no_coordinator_ends_a_command_with_status_3(programs: Programs) -> None:
    address = f"127.0.0.1:{free_port()}"
    ended = programs.run("agents", "--json", "--coordinator", address)
    expect_clear(ended, 3, address, "hxgrid up")
    assert ended.stdout == ""


@pytest.mark.slow
def test_two_agents_of_one_name_are_two_agents(programs: Programs) -> None:
    grid = LocalGrid(programs)
    grid.coordinator()
    agents = [grid.agent(), grid.agent()]
    grid.wait_for_agents(2, LIMIT_S)
    listed = grid.agents_listed()
    assert len({agent["address"] for agent in listed}) == 2
    job = grid.job()

    def work_for_both() -> bool:
        pids = {result["pid"] for result in job.results()}
        return all(pids & {one.pid for one in agent.note_descendants()} for agent in agents)

    wait_until(work_for_both, LIMIT_S, "work for both agents", seen=programs.logs)
    job.finish(LIMIT_S)
    programs.end_politely()


@pytest.mark.slow
def test_two_applications_of_one_name_do_not_meet(grid: LocalGrid) -> None:
    jobs = [grid.job("--tasks", "40"), grid.job("--tasks", "40")]
    for job in jobs:
        assert job.finish_by_itself(LIMIT_S)["accepted"] == 40


def test_a_name_that_the_coordinator_does_not_have_is_an_error(grid: LocalGrid) -> None:
    ended = grid.run("agents", "--name", "elsewhere")
    expect_clear(ended, 3, "elsewhere", grid.name)


def test_a_second_program_cannot_take_the_port_of_the_first(grid: LocalGrid) -> None:
    ended = grid.coordinator().wait(LIMIT_S)
    expect_clear(ended, 2, str(grid.port))
    assert len(grid.agents_listed()) == 1
    assert psutil.pid_exists(grid.programs.started[0].pid)
