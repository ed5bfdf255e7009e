"""A whole agent with its task processes, over real loopback sockets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.errors import AddressInUse, StoreError
from hxgrid.transport.sockets import SocketFactory
from hxgrid.wire.documents import read_reason
from hxgrid.wire.messages import (
    Batch,
    CancelAll,
    DataAnswer,
    DataRequest,
    Ended,
    Load,
    Outcome,
    WhoAreYou,
)
from hxgrid_agent.core.events import OwnerWishes
from tests.harness.peers import send_oversized_frame, send_tcp_garbage
from tests.harness.wait import Stopwatch, wait_until
from tests.unit.agent.live import LIMIT_S, HandUser, LiveAgent, digest

ECHO = """
def run_task(agent, session_id, in_stream, out_stream):
    out_stream.write(in_stream.read())
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAgent]:
    with LiveAgent(tmp_path_factory.mktemp("agent"), slots=2) as live:
        yield live


@pytest.fixture
def user(agent: LiveAgent) -> Iterator[HandUser]:
    with HandUser(agent) as one:
        yield one
        one.goodbye()
        one.wait_for(Ended)


def test_a_task_goes_in_and_its_result_comes_out(user: HandUser) -> None:
    user.offer_module(ECHO)
    user.place(1, payload=b"hello")
    record = user.result(1)
    assert Outcome(record.outcome) is Outcome.DONE
    assert bytes(record.payload) == b"hello"
    assert 0 < record.started_at <= record.ended_at
    user.keys(Batch.ACKNOWLEDGE, 1)


def test_thousands_of_short_tasks_come_back_once_each(user: HandUser) -> None:
    user.offer_module(ECHO)
    tasks = range(100, 4100)
    for first in range(tasks.start, tasks.stop, 500):
        user.place(*range(first, first + 500), payload=b"0123456789" * 10)
    user.pump(lambda: len(user.results) == len(tasks), "all results")
    assert {record.outcome for record in user.results.values()} == {Outcome.DONE}
    user.keys(Batch.ACKNOWLEDGE, *tasks)


def test_large_inputs_and_outputs_travel_in_chunks(user: HandUser) -> None:
    user.offer_module(ECHO)
    contents = [os.urandom(3_000_000 + n) for n in range(1, 4)]
    for task, content in enumerate(contents):
        user.place_large(task, content)
    for task, content in enumerate(contents):
        assert digest(user.output(task)) == digest(content)
    user.keys(Batch.ACKNOWLEDGE, 0, 1, 2)
    folder = next(iter(user.agent.folder.joinpath("work").glob("*/session-*/exchange")))

    def others() -> list[str]:
        names = [path.name for path in folder.iterdir()]
        return [name for name in names if not name.startswith("spare-")]

    wait_until(lambda: not others(), LIMIT_S, "the files of the payloads to go")


def test_ping_is_answered_while_tasks_run(user: HandUser) -> None:
    user.offer_module("import time\ndef run_task(a, s, i, o):\n    time.sleep(0.5)\n")
    user.place(1)
    for _ in range(5):
        user.ping()
    assert user.result(1).outcome == Outcome.DONE


def test_a_crash_is_reported_and_the_next_task_runs(user: HandUser) -> None:
    source = (
        "import os\ndef run_task(a, s, i, o):\n    if i.read() == b'die':\n        os.abort()\n"
    )
    user.offer_module(source)
    user.place(1, payload=b"die")
    record = user.result(1)
    assert Outcome(record.outcome) is Outcome.CRASHED
    assert "Fatal Python error" in read_reason(record.payload).output
    user.place(2, payload=b"live")
    assert user.result(2).outcome == Outcome.DONE


def test_b19_a_cancelled_task_that_does_not_listen_is_killed(user: HandUser) -> None:
    user.offer_module("def run_task(a, s, i, o):\n    while True: pass\n")
    user.place(1)
    user.pump(lambda: user.agent.driver.core.summary().running, "the task to run")
    watch = Stopwatch()
    user.keys(Batch.CANCEL, 1)
    assert Outcome(user.result(1).outcome) is Outcome.CANCELLED
    assert watch.elapsed_s() < 5


def test_cancel_all_is_answered_when_nothing_runs(user: HandUser) -> None:
    user.offer_module("def run_task(a, s, i, o):\n    while a.test_connection(): pass\n")
    user.place(1, 2, 3, 4)
    user.say(CancelAll(session=user.session, request=5))
    assert user.wait_for(Ended).request == 5
    assert {record.outcome for record in user.results.values()} == {Outcome.CANCELLED}


def test_global_data_is_asked_for_once(user: HandUser) -> None:
    source = "def run_task(a, s, i, o):\n    o.write(a.get_data('geometry').read())\n"
    user.offer_module(source)
    user.place(1, 2, 3)
    question = user.wait_for(DataRequest)
    assert question.name == "geometry"
    content = os.urandom(500_000)
    user.say(
        DataAnswer(
            request=question.request, found=True, digest=user.blob(content), bytes=len(content)
        )
    )
    for task in (1, 2, 3):
        assert digest(user.output(task)) == digest(content)
    assert not [d for d in user.documents if isinstance(d, DataRequest)]


def test_a_missing_function_and_an_import_error_are_explained(user: HandUser) -> None:
    user.offer_module("import no_such_module_anywhere\n")
    user.place(1)
    record = user.result(1)
    assert Outcome(record.outcome) is Outcome.UNUSABLE
    assert "no_such_module_anywhere" in read_reason(record.payload).text
    user.offer_module("x = 1\n", function=2)
    user.place(2, function=2)
    assert Outcome(user.result(2).outcome) is Outcome.UNUSABLE


def test_a_renewed_connection_finds_its_session_and_results_again(agent: LiveAgent) -> None:
    with HandUser(agent) as user:
        user.offer_module(ECHO)
        user.place(1, payload=b"kept")
        user.result(1)
        user.socket.close(0)
        user.results.clear()
        user.connect()
        user.say(CancelAll(session=user.session, request=1))
        assert user.wait_for(WhoAreYou).boot_id == agent.driver.boot_id
        assert user.hello().resumed
        user.pump(lambda: user.holdings, "HOLDINGS")
        assert user.holdings == [(1, 1)]
        assert bytes(user.result(1).payload) == b"kept"
        user.goodbye()
        user.wait_for(Ended)


def test_goodbye_takes_processes_and_files_along(agent: LiveAgent) -> None:
    with HandUser(agent) as user:
        user.offer_module("def run_task(a, s, i, o):\n    while True: pass\n")
        user.place(1)
        user.pump(lambda: agent.driver.core.summary().running, "the task to run")
        session = agent.driver.core.table.by_id[user.session]
        numbers = list(session.processes)
        ids = [agent.driver._processes._processes[number].pid for number in numbers]
        assert ids
        watch = Stopwatch()
        user.goodbye()
        user.wait_for(Ended)
        assert watch.elapsed_s() < 5
        assert not [pid for pid in ids if psutil.pid_exists(pid)]
        assert not list(agent.folder.joinpath("work").glob(f"*/session-{session.handle}"))


def test_a_user_that_vanishes_is_cleaned_up_when_its_lease_ends(agent: LiveAgent) -> None:
    user = HandUser(agent, lease_s=0.5)
    user.hello()
    user.close()
    wait_until(
        lambda: user.session not in agent.driver.core.table.by_id, LIMIT_S, "the session to end"
    )


def test_garbage_is_dropped_and_the_agent_works_on(agent: LiveAgent, user: HandUser) -> None:
    with HandUser(agent) as stranger:
        before = agent.driver._peers.dropped_count
        for frames in ([b""], [b"\x01garbage"], [b"\xff{}"], [b"\x20{not json"], [b"x"] * 9):
            stranger.send(frames)
        stranger.send([bytes((Batch.CHUNK,)) + b"\0" * 40, b"z"])
        wait_until(
            lambda: agent.driver._peers.dropped_count >= before + 5, LIMIT_S, "garbage to count"
        )
        stranger.goodbye()
        stranger.wait_for(Ended)
    user.offer_module(ECHO)
    user.place(1)
    assert user.result(1).outcome == Outcome.DONE


def test_k5_two_agents_on_one_computer_take_different_ports(tmp_path: Path) -> None:
    with (
        LiveAgent(tmp_path / "a", port=None) as first,
        LiveAgent(tmp_path / "b", port=None) as second,
    ):
        assert first.driver.port != second.driver.port


def test_a_port_that_was_set_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with LiveAgent(tmp_path / "a") as first:
        second = LiveAgent(tmp_path / "b", port=first.driver.port)
        with pytest.raises(AddressInUse):
            second.__enter__()


@pytest.mark.parametrize("folder", ["work_folder", "store_folder"])
def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings: dict[str, Any] = {folder: tmp_path / "file" / "below"}
    agent = LiveAgent(tmp_path, **settings)
    with pytest.raises(StoreError, match="below"):
        agent.__enter__()


def test_nothing_is_left_of_an_agent_that_ended(tmp_path: Path) -> None:
    with LiveAgent(tmp_path, slots=2) as live:
        wait_until(lambda: len(live.driver.core.table.spares) == 2, LIMIT_S, "two spares")
        ids = list(live.driver._processes.ids)
    assert not [pid for pid in ids if psutil.pid_exists(pid)]
    assert list((tmp_path / "work").iterdir()) == []


def test_a_stopped_task_process_is_reported_soon_and_its_task_lost_later(tmp_path: Path) -> None:
    times: dict[str, Any] = {"heartbeat_s": 0.2, "suspect_after_s": 0.6, "lost_after_s": 2.0}
    with LiveAgent(tmp_path, slots=1, **times) as live, HandUser(live) as user:
        user.offer_module("import time\ndef run_task(a, s, i, o):\n    time.sleep(60)\n")
        user.place(1)
        user.pump(lambda: live.driver.core.summary().running, "the task to run")
        session = live.driver.core.table.by_id[user.session]
        [number] = session.held
        psutil.Process(live.driver._processes._processes[number].pid).suspend()

        def is_suspected() -> bool:
            return any(isinstance(d, Load) and d.suspected for d in user.documents)

        user.pump(is_suspected, "the agent to suspect it")
        assert Outcome(user.result(1).outcome) is Outcome.LOST


def test_frozen_processes_stand_still_and_go_on(tmp_path: Path) -> None:
    with LiveAgent(tmp_path, slots=1) as live, HandUser(live) as user:
        user.offer_module(
            "def run_task(a, s, i, o):\n    while a.test_connection(): pass\n    return False\n"
        )
        user.place(1)
        user.pump(lambda: live.driver.core.summary().running, "the task to run")
        session = live.driver.core.table.by_id[user.session]
        [number] = session.held
        process = psutil.Process(live.driver._processes._processes[number].pid)
        wishes = OwnerWishes(snooze_until=MonotonicClock().now() + 3600, is_draining=False)
        live.driver.loop.call_soon_threadsafe(lambda: live.driver.on_event(wishes))
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, LIMIT_S, "it to stop")
        taken_back = OwnerWishes(snooze_until=None, is_draining=False)
        live.driver.loop.call_soon_threadsafe(lambda: live.driver.on_event(taken_back))
        wait_until(lambda: process.status() != psutil.STATUS_STOPPED, LIMIT_S, "it to go on")
        user.keys(Batch.CANCEL, 1)
        assert Outcome(user.result(1).outcome) is Outcome.CANCELLED


def test_a_full_store_refuses_what_needs_it(tmp_path: Path) -> None:
    with (
        LiveAgent(tmp_path, store_quota_bytes=1 << 20) as live,
        HandUser(live) as first,
        HandUser(live) as second,
    ):
        first.offer_module("x = 1\n#" + "a" * 600_000)
        first.place(1)
        first.result(1)
        second.offer_module("x = 1\n#" + "b" * 600_000)
        second.place(1)
        record = second.result(1)
        assert Outcome(record.outcome) is Outcome.REFUSED
        assert "store_quota_bytes" in read_reason(record.payload).text


def test_one_connection_too_many_is_turned_away(tmp_path: Path) -> None:
    with LiveAgent(tmp_path, max_connections=1) as live, HandUser(live):
        zap = live.driver._entrance.zap
        assert zap is not None
        with zmq.Context() as context:
            stranger = SocketFactory(context, live.security).dealer("127.0.0.1", live.driver.port)
            wait_until(lambda: zap.turned_away_count > 0, LIMIT_S, "a turning away")
            stranger.close(0)


def test_garbage_below_the_protocol_does_not_disturb(agent: LiveAgent, user: HandUser) -> None:
    address = ("127.0.0.1", agent.driver.port)
    assert send_tcp_garbage(address)
    assert send_oversized_frame(address)
    user.offer_module(ECHO)
    user.place(1)
    assert user.result(1).outcome == Outcome.DONE


def test_labels_of_the_settings_are_told_to_users(tmp_path: Path) -> None:
    with LiveAgent(tmp_path, labels=("gpu", "maya")) as live:
        user = HandUser(live)
        assert user.hello().capabilities.labels == ("gpu", "maya")
        user.close()
