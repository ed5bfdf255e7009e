from __future__ import annotations

from dataclasses import replace

from hxgrid.user.core.events import AgentsHeard, SettingsChanged
from hxgrid.wire.messages import Outcome
from tests.unit.user.core.stage import A, B, Stage, completed, sent


def test_an_idle_dispatcher_without_agents_needs_no_tick() -> None:
    assert Stage().dispatcher.next_deadline() is None


def test_with_an_agent_there_is_always_a_next_look_at_its_silence() -> None:
    stage = Stage(1)
    deadline = stage.dispatcher.next_deadline()
    assert deadline is not None
    assert stage.now < deadline <= stage.now + stage.settings.heartbeat_s


def test_a_tick_that_comes_early_does_nothing() -> None:
    stage = Stage(1)
    stage.submit(1)
    assert stage.dispatcher.tick(stage.now) == []


def test_counts_follow_the_tasks() -> None:
    stage = Stage(1)
    stage.submit(3)
    counts = stage.dispatcher.counts
    assert (counts.accepted, counts.unfinished, stage.dispatcher.waiting_count) == (3, 3, 1)
    stage.finalize(stage.end(A, 1, 2))
    assert (counts.done, counts.unfinished, stage.dispatcher.waiting_count) == (2, 1, 0)
    assert stage.dispatcher.connected_agents == 1


def test_changed_settings_are_in_force_at_once() -> None:
    stage = Stage(1, send_ahead=0)
    stage.submit(5)
    actions = stage.tell(SettingsChanged(replace(stage.settings, send_ahead=3)))
    assert sent(actions) == {A: [(2, 1), (3, 1), (4, 1)]}


def test_facts_about_unknown_agents_change_nothing() -> None:
    stage = Stage(1)
    stage.submit(1)
    assert stage.tell(AgentsHeard([(B, 0.1)])) == []
    assert stage.load(B) == []
    assert completed(stage.end(B, 1)) == []


def test_each_batch_for_an_agent_is_one_order() -> None:
    stage = Stage(1, send_ahead=50)
    actions = stage.submit(51)
    assert len(actions) == 1
    assert len(sent(actions)[A]) == 51


def test_the_same_facts_give_the_same_orders() -> None:
    runs = []
    for _ in range(2):
        stage = Stage(2, 1, 3)
        stage.submit(30)
        log = [sent(stage.end(A, 1)), sent(stage.end(B, 2, outcome=Outcome.FAILED))]
        log += [sent(stage.advance(0.3)) for _ in range(20)]
        runs.append(log)
    assert runs[0] == runs[1]
