"""Four machines on a LAN: everybody finds everybody, and a job survives what happens to them.

No address is typed anywhere. The times of the design are printed; the limits here are wider, for
machines that are busy with other things.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.harness import proctree
from tests.harness.jobs import longest_gap_s
from tests.harness.wait import Stopwatch, wait_until

if TYPE_CHECKING:
    from tests.harness.jobs import Job, Result
    from tests.harness.lan_grid import LanGrid
    from tests.harness.namespaces import Machine
    from tests.harness.processes import Program

pytestmark = [pytest.mark.system("root", "ip"), pytest.mark.timeout(300)]

Measure = Callable[[str, float], None]

START_LIMIT_S = 120  # start of four agents and a coordinator, two cores for all of them
RESULT_LIMIT_S = 120


def from_machine(machine: Machine) -> Callable[[Result], bool]:
    return lambda result: bool(result["address"] == machine.address)


def not_from(machine: Machine) -> Callable[[Result], bool]:
    return lambda result: bool(result["address"] != machine.address)


def start_job(grid: LanGrid, *numbers: int) -> tuple[Job, dict[int, Program]]:
    """A coordinator and a job on machine 1, agents on the others named; all of them work for it."""
    grid.coordinator(grid.lan[1])
    agents = {number: grid.agent(grid.lan[number]) for number in numbers}
    job = grid.job(grid.lan[1], "--window", str(2 * len(agents)))
    wanted = {grid.lan[number].address for number in numbers}
    wait_until(
        lambda: wanted <= {result["address"] for result in job.results()},
        START_LIMIT_S,
        f"results from {wanted}",
        seen=grid.programs.logs,
    )
    return job, agents


def test_agents_and_users_find_the_coordinator_without_an_address(
    lan_grid: LanGrid, measured: Measure
) -> None:
    machines = lan_grid.lan.machines
    watch = Stopwatch()
    for machine in machines:  # any order of start: the coordinator comes last
        lan_grid.agent(machine)
    lan_grid.coordinator(machines[0])
    lan_grid.wait_for_list(machines[3], machines, START_LIMIT_S)
    measured("four agents listed, from nothing", watch.elapsed_s())
    job = lan_grid.job(machines[1])
    job.wait_for_more(20, RESULT_LIMIT_S)
    job.finish(RESULT_LIMIT_S)
    lan_grid.programs.end_politely()


def test_h3_a_job_outlives_its_coordinator_and_finds_the_next_one(
    lan_grid: LanGrid, measured: Measure
) -> None:
    grid, machines = lan_grid, lan_grid.lan.machines
    first = grid.coordinator(machines[0])
    for machine in machines[1:]:
        grid.agent(machine)
    job = grid.job(machines[1])
    grid.wait_for_list(machines[3], machines[1:], START_LIMIT_S)
    job.wait_for_more(10, RESULT_LIMIT_S)

    first.kill()
    job.wait_for_more(20, RESULT_LIMIT_S)
    second = grid.coordinator(machines[0])
    measured("list whole after a restart", grid.wait_for_list(machines[3], machines[1:], 30))
    job.wait_for_more(10, RESULT_LIMIT_S)

    second.kill()
    grid.coordinator(machines[2])
    measured("list whole after a move", grid.wait_for_list(machines[3], machines[1:], 40))
    job.wait_for_more(10, RESULT_LIMIT_S)
    grid.agent(machines[0])  # the session that runs must know the new coordinator, too
    job.wait_for_more(1, RESULT_LIMIT_S, from_machine(machines[0]))
    job.finish(RESULT_LIMIT_S)
    grid.programs.end_politely()


def test_k10_an_agent_that_joins_in_the_middle_gets_work(
    lan_grid: LanGrid, measured: Measure
) -> None:
    job, _agents = start_job(lan_grid, 2, 3)
    watch = Stopwatch()
    lan_grid.agent(lan_grid.lan[4])
    job.wait_for_more(1, RESULT_LIMIT_S, from_machine(lan_grid.lan[4]))
    measured("first result from an agent that joined", watch.elapsed_s())
    job.finish(RESULT_LIMIT_S)
    lan_grid.programs.end_politely()


def test_k9_a_killed_agent_costs_no_result_and_leaves_no_process(
    lan_grid: LanGrid, measured: Measure
) -> None:
    job, agents = start_job(lan_grid, 2, 3, 4)
    family = agents[3].note_descendants()
    assert family, "an agent has task processes"
    agents[3].kill()
    wait_until(
        lambda: not any(map(proctree.is_alive, family)),
        10,
        "the task processes to end",
        seen=lambda: proctree.described(family),
    )
    seen = job.wait_for_more(60, RESULT_LIMIT_S, not_from(lan_grid.lan[3]))
    measured("longest gap between results", longest_gap_s(seen))
    measured("longest task", job.finish(RESULT_LIMIT_S)["longest_s"])
    lan_grid.programs.end_politely()


def test_k9_an_agent_that_is_cut_off_costs_no_result_and_works_again_when_it_is_back(
    lan_grid: LanGrid, measured: Measure
) -> None:
    job, _agents = start_job(lan_grid, 2, 3, 4)
    lost = lan_grid.lan[3]
    lost.cut()
    job.wait_for_more(60, RESULT_LIMIT_S, not_from(lost))
    lost.reconnect()
    watch = Stopwatch()
    job.wait_for_more(3, RESULT_LIMIT_S, from_machine(lost))
    measured("results again after the cable is back", watch.elapsed_s())
    measured("longest task", job.finish(RESULT_LIMIT_S)["longest_s"])
    lan_grid.programs.end_politely()


def test_k9_an_agent_cut_off_for_good_does_not_delay_the_end(
    lan_grid: LanGrid, measured: Measure
) -> None:
    job, _agents = start_job(lan_grid, 2, 3, 4)
    lan_grid.lan[3].cut()
    watch = Stopwatch()
    job.finish(RESULT_LIMIT_S)
    measured("end of the job after the cut", watch.elapsed_s())
    lan_grid.programs.end_politely()


@pytest.mark.parametrize(
    ("freeze", "thaw"),
    [
        pytest.param(proctree.freeze_one, proctree.thaw_one, id="the agent's process alone"),
        pytest.param(proctree.freeze_tree, proctree.thaw_tree, id="the agent and its slots"),
    ],
)
def test_b30_a_stopped_agent_costs_no_result_and_may_go_on_later(
    lan_grid: LanGrid,
    measured: Measure,
    freeze: Callable[[int], None],
    thaw: Callable[[int], None],
) -> None:
    job, agents = start_job(lan_grid, 2, 3, 4)
    freeze(agents[3].pid)
    job.wait_for_more(60, RESULT_LIMIT_S, not_from(lan_grid.lan[3]))
    thaw(agents[3].pid)  # its late results arrive now, and must not count again
    job.wait_for_more(3, RESULT_LIMIT_S, from_machine(lan_grid.lan[3]))
    measured("longest task", job.finish(RESULT_LIMIT_S)["longest_s"])
    lan_grid.programs.end_politely()


def test_one_stopped_slot_costs_no_result_and_its_process_does_not_stay(
    lan_grid: LanGrid, measured: Measure
) -> None:
    job, agents = start_job(lan_grid, 2, 3, 4)
    result = job.wait_for_more(1, RESULT_LIMIT_S, from_machine(lan_grid.lan[3]))[0]
    slot = psutil.Process(result["pid"])
    assert slot in proctree.descendants(agents[3].pid)
    proctree.freeze_one(slot.pid)
    job.wait_for_more(60, RESULT_LIMIT_S)
    measured("longest task", job.finish(RESULT_LIMIT_S)["longest_s"])
    lan_grid.programs.end_politely()
