"""The four modes, and every way in which a coordinator comes, goes and moves."""

from __future__ import annotations

import itertools

import pytest

from hxgrid.transport.beacon import Answer
from hxgrid.transport.discovery import (
    JITTER_S,
    MAX_ANSWERS,
    PAUSE_S,
    QUICK_ROUNDS,
    SILENT,
    Action,
    AnswerHeard,
    Ask,
    Connect,
    Discovery,
    DiscoverySettings,
    DiscoveryState,
    Linked,
    LinkLost,
    NameLookedUp,
    Remember,
    ReportSeveral,
    ReportTrouble,
    Started,
)
from hxgrid.wire.versions import PROTOCOL_MAJOR

BOOT, OTHER_BOOT = "1" * 32, "2" * 32


def discovery(
    *,
    address: tuple[str, int] | None = None,
    remembered: tuple[str, int] | None = None,
    may_discard: bool = True,
    grid: str = "",
) -> Discovery:
    return Discovery(DiscoverySettings(address, remembered, may_discard, grid), seed=1)


def answer(
    grid: str = "studio",
    boot: str = BOOT,
    host: str = "192.0.2.1",
    *,
    major: int = PROTOCOL_MAJOR,
) -> AnswerHeard:
    return AnswerHeard(Answer(bytes(16), boot, 4100, grid, major=major), host)


def tick(machine: Discovery) -> tuple[float, list[Action]]:
    """Go to the next deadline."""
    now = machine.next_deadline()
    assert now is not None
    return now, machine.tick(now)


def linked(machine: Discovery, now: float = 10.0, grid: str = "studio") -> list[Action]:
    return machine.handle(Linked(grid, BOOT), now)


# ---------------------------------------------------------------- the modes


def test_h3_without_an_address_it_asks_and_remembers_what_it_finds() -> None:
    machine = discovery()
    assert machine.handle(Started(), 0.0) == [Ask()]
    assert machine.handle(answer(), 0.1) == []
    now, actions = tick(machine)
    assert 1.0 <= now <= 1.0 + JITTER_S
    assert actions == [Connect("192.0.2.1", 4100)]
    assert linked(machine) == [Remember("192.0.2.1", 4100)]
    assert machine.state is DiscoveryState.LINKED
    assert machine.next_deadline() is None


def test_a_remembered_address_is_tried_first() -> None:
    machine = discovery(remembered=("192.0.2.5", 4100))
    assert machine.handle(Started(), 0.0) == [Connect("192.0.2.5", 4100)]
    assert linked(machine) == []


def test_a_set_address_counts_more_than_a_remembered_one() -> None:
    machine = discovery(address=("192.0.2.6", 4100), remembered=("192.0.2.5", 4100))
    assert machine.handle(Started(), 0.0) == [Connect("192.0.2.6", 4100)]


def test_h3_a_silent_address_that_may_be_discarded_leads_to_a_question() -> None:
    machine = discovery(address=("192.0.2.6", 4100))
    machine.handle(Started(), 0.0)
    now, actions = tick(machine)
    assert (now, actions) == (2.0, [Ask()])
    machine.handle(answer(), 2.1)
    assert tick(machine)[1] == [Connect("192.0.2.1", 4100)]
    assert linked(machine) == [Remember("192.0.2.1", 4100)]


def test_a_silent_address_gets_another_turn_after_each_fruitless_question() -> None:
    machine = discovery(address=("192.0.2.6", 4100))
    machine.handle(Started(), 0.0)
    assert tick(machine)[1] == [Ask()]
    assert tick(machine)[1] == [Connect("192.0.2.6", 4100)]
    assert tick(machine)[1] == [Ask()]


def test_h3_an_address_that_may_not_be_discarded_is_the_only_one_for_ever() -> None:
    machine = discovery(address=("192.0.2.6", 4100), may_discard=False)
    assert machine.handle(Started(), 0.0) == [Connect("192.0.2.6", 4100)]
    assert machine.next_deadline() is None
    assert machine.handle(answer(), 1.0) == []
    linked(machine)
    assert machine.handle(LinkLost("silent"), 20.0) == [ReportTrouble("192.0.2.6:4100: silent")]
    assert machine.next_deadline() is None
    assert linked(machine, 30.0) == []
    assert machine.state is DiscoveryState.LINKED


def test_h3_a_found_address_that_may_not_be_discarded_is_kept_but_not_remembered() -> None:
    machine = discovery(remembered=("192.0.2.5", 4100), may_discard=False)
    assert machine.handle(Started(), 0.0) == [Ask()]
    machine.handle(answer(), 0.1)
    assert tick(machine)[1] == [Connect("192.0.2.1", 4100)]
    assert linked(machine) == []
    assert not any(isinstance(a, Ask) for a in machine.handle(LinkLost("silent"), 20.0))
    assert machine.is_fixed


# ---------------------------------------------------------------- names


def test_with_a_name_the_first_answer_under_it_is_taken_at_once() -> None:
    machine = discovery(grid="studio")
    machine.handle(Started(), 0.0)
    assert machine.handle(answer("other", OTHER_BOOT), 0.1) == []
    assert machine.handle(answer("studio"), 0.2) == [Connect("192.0.2.1", 4100)]


def test_of_several_grids_none_is_taken_and_all_are_reported() -> None:
    machine = discovery()
    machine.handle(Started(), 0.0)
    machine.handle(answer("b"), 0.1)
    machine.handle(answer("a", OTHER_BOOT, "192.0.2.2"), 0.2)
    now, actions = tick(machine)
    assert actions == [ReportSeveral(("'a' at 192.0.2.2:4100", "'b' at 192.0.2.1:4100"))]
    again_at, actions = tick(machine)
    assert now + PAUSE_S <= again_at
    assert actions == [Ask()]


def test_one_coordinator_that_answers_on_two_interfaces_is_one() -> None:
    machine = discovery()
    machine.handle(Started(), 0.0)
    machine.handle(answer(host="192.0.2.1"), 0.1)
    machine.handle(answer(host="127.0.0.1"), 0.1)
    assert tick(machine)[1] == [Connect("192.0.2.1", 4100)]


def test_a_second_coordinator_of_the_name_is_reported_once_and_changes_nothing() -> None:
    machine = discovery(grid="studio")
    machine.handle(Started(), 0.0)
    machine.handle(answer(), 0.1)
    (report,) = machine.handle(answer(boot=OTHER_BOOT, host="192.0.2.2"), 0.2)
    assert isinstance(report, ReportTrouble)
    assert "192.0.2.2:4100" in report.text
    assert machine.handle(answer(boot=OTHER_BOOT, host="192.0.2.2"), 0.3) == []
    assert machine.connected_to == ("192.0.2.1", 4100)


def test_a_coordinator_of_another_grid_at_the_address_is_not_ours() -> None:
    machine = discovery(address=("192.0.2.6", 4100), grid="studio")
    machine.handle(Started(), 0.0)
    (report,) = linked(machine, 0.5, grid="other")
    assert isinstance(report, ReportTrouble)
    assert "'other'" in report.text
    assert "'studio'" in report.text
    assert machine.state is not DiscoveryState.LINKED
    assert any("other" in line for line in machine.tried())


def test_a_coordinator_of_another_version_is_not_taken_and_named() -> None:
    machine = discovery()
    machine.handle(Started(), 0.0)
    machine.handle(answer(major=99), 0.1)
    assert tick(machine)[1] == [Ask()]
    assert any("99." in line for line in machine.tried())


# ---------------------------------------------------------------- losing and finding again


def linked_machine() -> Discovery:
    machine = discovery(grid="studio")
    machine.handle(Started(), 0.0)
    machine.handle(answer(), 0.1)
    linked(machine, 0.2)
    return machine


def test_h3_a_coordinator_that_moved_is_found_at_its_new_address() -> None:
    machine = linked_machine()
    actions = machine.handle(LinkLost("silent"), 20.0)
    assert actions == [ReportTrouble("192.0.2.1:4100: silent"), Ask()]
    assert machine.handle(answer(boot=OTHER_BOOT, host="192.0.2.9"), 20.1) == [
        Connect("192.0.2.9", 4100)
    ]
    assert linked(machine, 20.2) == [Remember("192.0.2.9", 4100)]


def test_a_coordinator_that_comes_back_over_the_connection_ends_the_search() -> None:
    machine = linked_machine()
    machine.handle(LinkLost("silent"), 20.0)
    assert linked(machine, 20.5) == []
    assert machine.state is DiscoveryState.LINKED
    assert machine.next_deadline() is None


def test_a_coordinator_that_refuses_is_not_asked_without_a_pause() -> None:
    machine = discovery(grid="studio")
    machine.handle(Started(), 0.0)
    machine.handle(answer(), 0.1)
    assert machine.handle(LinkLost("refused"), 0.2) == [ReportTrouble("192.0.2.1:4100: refused")]
    deadline = machine.next_deadline()
    assert deadline is not None
    assert deadline >= 0.2 + PAUSE_S


def test_losing_it_twice_is_reported_once() -> None:
    machine = linked_machine()
    machine.handle(LinkLost("silent"), 20.0)
    assert machine.handle(LinkLost("silent"), 20.1) == []


def test_it_never_gives_up_but_asks_less_often() -> None:
    machine = discovery()
    machine.handle(Started(), 0.0)
    asked_at = [0.0]
    while asked_at[-1] < 100:
        now, actions = tick(machine)
        if Ask() in actions:
            asked_at.append(now)
    steps = [after - before for before, after in itertools.pairwise(asked_at)]
    assert all(1.0 <= step <= 1.0 + JITTER_S for step in steps[: QUICK_ROUNDS - 1])
    assert all(step >= PAUSE_S for step in steps[QUICK_ROUNDS:])


def test_two_programs_do_not_ask_at_the_same_moments() -> None:
    settings = DiscoverySettings(None, None, may_discard=True, grid="")
    machines = [Discovery(settings, seed) for seed in range(20)]
    for machine in machines:
        machine.handle(Started(), 0.0)
    assert len({machine.next_deadline() for machine in machines}) == 20


def test_a_flood_of_answers_is_bounded() -> None:
    machine = discovery()
    machine.handle(Started(), 0.0)
    for number in range(10_000):
        machine.handle(answer(str(number), f"{number:032x}"), 0.1)
    _, (report, *_) = tick(machine)
    assert isinstance(report, ReportSeveral)
    assert len(report.grids) <= MAX_ANSWERS


@pytest.mark.parametrize("may_discard", [True, False])
def test_what_was_tried_is_told(may_discard: bool) -> None:
    machine = discovery(address=("192.0.2.6", 4100), may_discard=may_discard)
    machine.handle(Started(), 0.0)
    machine.tick(2.0)
    assert machine.tried()[0] == "192.0.2.6:4100: no answer"
    assert len(machine.tried()) == (2 if may_discard else 1)


# ---------------------------------------------------------------- names


def named(*, may_discard: bool) -> Discovery:
    machine = discovery(address=("studio-pc", 4100), may_discard=may_discard)
    machine.handle(Started(), 0.0)
    return machine


def test_a_name_that_nobody_knows_is_told_once_and_not_as_silence() -> None:
    machine = named(may_discard=False)
    unknown = NameLookedUp("studio-pc", "nobody knows it")
    assert machine.handle(unknown, 0.1) == [ReportTrouble("studio-pc:4100: nobody knows it")]
    assert machine.handle(unknown, 2.1) == []
    assert machine.handle(LinkLost(SILENT), 3.0) == []
    assert machine.tried() == ("studio-pc:4100: nobody knows it",)
    assert machine.state is DiscoveryState.TRYING


def test_a_name_that_nobody_knows_leads_to_a_question_as_silence_does() -> None:
    machine = named(may_discard=True)
    machine.handle(NameLookedUp("studio-pc", "nobody knows it"), 0.1)
    assert tick(machine) == (2.0, [Ask()])
    assert tick(machine)[1] == [Connect("studio-pc", 4100)]
    assert machine.handle(NameLookedUp("studio-pc", "nobody knows it"), 3.5) == []
    assert machine.tried() == ("studio-pc:4100: nobody knows it", "broadcast: no answer")


def test_a_name_that_is_known_later_is_only_silent_again() -> None:
    machine = named(may_discard=False)
    machine.handle(NameLookedUp("studio-pc", "nobody knows it"), 0.1)
    assert machine.handle(NameLookedUp("studio-pc", ""), 2.1) == []
    assert machine.tried() == ("studio-pc:4100: no answer",)
    assert linked(machine) == []
    assert machine.handle(LinkLost(SILENT), 20.0) == []


def test_what_is_known_better_than_by_name_stays() -> None:
    machine = named(may_discard=False)
    machine.handle(LinkLost("it refuses us"), 0.1)
    assert machine.handle(NameLookedUp("studio-pc", "nobody knows it"), 0.2) == []
    assert machine.tried() == ("studio-pc:4100: it refuses us",)


def test_a_name_that_is_no_longer_tried_means_nothing() -> None:
    machine = named(may_discard=True)
    tick(machine)
    machine.handle(answer(), 2.1)
    assert tick(machine)[1] == [Connect("192.0.2.1", 4100)]
    assert machine.handle(NameLookedUp("studio-pc", "nobody knows it"), 3.2) == []
    assert "nobody" not in str(machine.tried())
