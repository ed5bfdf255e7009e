"""Answers to get_data, from the application's callback to the agent."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import hxgrid
from hxgrid.streams import Stream
from hxgrid.user.session import Session
from hxgrid.wire.messages import BlobDone, DataAnswer, ForgetData
from tests.harness.wait import wait_until
from tests.unit.user.conftest import MakeSession, echo
from tests.unit.user.fake_agent import FakeAgent, ask_blob, ask_data


def _answers(agent: FakeAgent, count: int) -> list[DataAnswer]:
    """Wait for so many answers; in the order of their requests."""

    def found() -> list[DataAnswer]:
        return [one for one in list(agent.documents) if isinstance(one, DataAnswer)]

    wait_until(lambda: len(found()) == count, 10, f"{count} answers", seen=found)
    return sorted(found(), key=lambda one: one.request)


def _fetch(agent: FakeAgent, digest: str | None) -> bytes:
    assert digest is not None
    request = len(agent.blobs) + 1
    agent.say(ask_blob(digest, agent.hellos[0].ticket, request))
    wait_until(lambda: request in agent.blobs, 10, "the answer about the blob")
    answer, into = agent.blobs[request]
    assert answer.found
    wait_until(lambda: not agent.is_waiting_for_blob(request), 10, "the blob")
    return bytes(into)


@pytest.fixture
def pair(make_session: MakeSession, module: Path) -> tuple[Session, FakeAgent]:
    session, agent = make_session(echo)
    task = session.run_task(module, "f")
    assert task is not None
    task.result(10)
    return session, agent


@pytest.mark.parametrize(
    "given",
    [
        b"geometry" * 40_000,
        bytearray(b"geometry" * 40_000),
        Stream(b"geometry" * 40_000),
        memoryview(b"geometry" * 40_000),
    ],
)
def test_whatever_kind_of_bytes_is_given_arrives(
    pair: tuple[Session, FakeAgent], given: Any
) -> None:
    session, agent = pair
    session.bind_get_data(lambda _name: given)
    agent.say(ask_data("geometry"))
    (answer,) = _answers(agent, 1)
    assert _fetch(agent, answer.digest) == b"geometry" * 40_000


def test_a_path_is_served_as_the_file_it_names(
    pair: tuple[Session, FakeAgent], tmp_path: Path
) -> None:
    session, agent = pair
    path = tmp_path / "data.bin"
    path.write_bytes(b"from disk")
    session.bind_get_data(lambda _name: path)
    agent.say(ask_data("geometry"))
    (answer,) = _answers(agent, 1)
    assert _fetch(agent, answer.digest) == b"from disk"


def test_the_callback_is_asked_once_per_name_however_many_ask(
    pair: tuple[Session, FakeAgent],
) -> None:
    session, agent = pair
    asked: list[str] = []
    may_answer = threading.Event()

    def callback(name: str) -> bytes:
        asked.append(name)
        may_answer.wait(20)
        return name.encode()

    session.bind_get_data(callback)
    for request in range(5):
        agent.say(ask_data("one", request))
    agent.say(ask_data("two", 5))
    wait_until(lambda: asked == ["one"], 10, "the first question")
    may_answer.set()
    answers = _answers(agent, 6)
    agent.say(ask_data("one", 6))
    assert _answers(agent, 7)[6].digest == answers[0].digest
    assert asked == ["one", "two"]
    assert len({answer.digest for answer in answers}) == 2


def test_data_that_are_not_there_are_one_sentence_in_the_log(
    pair: tuple[Session, FakeAgent], caplog: pytest.LogCaptureFixture
) -> None:
    session, agent = pair

    def refuse(_name: str) -> bytes:
        raise hxgrid.DataUnavailable("the application has no data of this name")

    session.bind_get_data(refuse)
    agent.say(ask_data("x", 1))
    assert _answers(agent, 1)[0].text == "the application has no data of this name"
    (record,) = [one for one in caplog.records if one.name == "hxgrid.user"]
    assert not record.exc_info


def test_b12_without_an_answer_the_agent_is_told_why(pair: tuple[Session, FakeAgent]) -> None:
    session, agent = pair
    agent.say(ask_data("x", 1))
    assert "bound no callback" in _answers(agent, 1)[0].text
    session.bind_get_data(lambda _name: None)
    agent.say(ask_data("x", 2))
    assert "returned None" in _answers(agent, 2)[1].text

    def fail(_name: str) -> bytes:
        raise OSError("disk on fire")

    session.bind_get_data(fail)
    agent.say(ask_data("x", 3))
    assert "OSError: disk on fire" in _answers(agent, 3)[2].text
    session.bind_get_data(lambda _name: 5)
    agent.say(ask_data("x", 4))
    assert "TypeError" in _answers(agent, 4)[3].text
    session.bind_get_data(lambda _name: b"at last")
    agent.say(ask_data("x", 5))
    assert _answers(agent, 5)[4].found, "a missing answer is not kept"
    assert session.wait_for_completion(10), "and nothing of it is a failure of a task"


def test_b13_one_shared_stream_may_be_given_again_and_again(
    pair: tuple[Session, FakeAgent],
) -> None:
    session, agent = pair
    shared = Stream(b"shared")
    session.bind_get_data(lambda _name: shared)
    for request, name in enumerate(("a", "b", "c")):
        agent.say(ask_data(name, request))
    assert len({answer.digest for answer in _answers(agent, 3)}) == 1
    shared.seek(0, 2)
    shared.write(b", and still usable")


def test_what_an_agent_gives_up_is_sent_no_more(pair: tuple[Session, FakeAgent]) -> None:
    session, agent = pair
    session.bind_get_data(lambda _name: bytes(20_000_000))
    agent.say(ask_data("geometry"))
    (answer,) = _answers(agent, 1)
    assert answer.digest is not None
    (link,) = session._engine.driver.links.values()
    agent.takes_chunks = False  # so that what it gets is never enough to be sent the rest
    agent.say(ask_blob(answer.digest, agent.hellos[0].ticket, 5))
    wait_until(lambda: len(link._outbox) == 1, 10, "the transfer to begin")
    agent.say(BlobDone(request=5))
    wait_until(lambda: len(link._outbox) == 0, 10, "the transfer to be given up")


def test_forgotten_data_is_asked_for_again(pair: tuple[Session, FakeAgent]) -> None:
    session, agent = pair
    contents = iter([b"old", b"new"])
    session.bind_get_data(lambda _name: next(contents))
    agent.say(ask_data("x", 1))
    (before,) = _answers(agent, 1)
    session.forget_data("x")
    wait_until(
        lambda: any(isinstance(one, ForgetData) for one in agent.documents), 10, "ForgetData"
    )
    agent.say(ask_data("x", 2))
    after = _answers(agent, 2)[1]
    assert after.digest != before.digest
    assert _fetch(agent, after.digest) == b"new"


class SlowAnswers:
    """A callback that gives old data, then new, and answers when it may."""

    def __init__(self) -> None:
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self._contents = iter([b"old", b"new"])

    def __call__(self, _name: str) -> bytes:
        content = next(self._contents)
        self.is_asked.set()
        self.may_answer.wait(20)
        return content


def test_what_is_forgotten_while_the_callback_is_asked_is_not_kept(
    pair: tuple[Session, FakeAgent],
) -> None:
    session, agent = pair
    give = SlowAnswers()
    session.bind_get_data(give)
    agent.say(ask_data("x", 1))
    give.is_asked.wait(20)
    session.forget_data("x")
    agent.say(ask_data("x", 2))
    wait_until(lambda: len(session._engine.data._asked["x"].waiting) == 1, 10, "the second")
    give.may_answer.set()
    before, after = _answers(agent, 2)
    assert _fetch(agent, after.digest) == b"new"
    assert _fetch(agent, before.digest) == b"old", "whoever waited for it may still fetch it"
    session.forget_data("x")
    shelf = session._engine.shelf
    assert shelf.content(str(before.digest)) is None, "nor is it held for ever"
    assert shelf.content(str(after.digest)) is None


def test_volatile_data_that_is_forgotten_while_it_is_asked_for_is_asked_for_anew(
    pair: tuple[Session, FakeAgent],
) -> None:
    session, agent = pair
    give = SlowAnswers()
    session.bind_get_data(give, volatile=True)
    agent.say(ask_data("x", 1))
    give.is_asked.wait(20)
    session.forget_data("x")
    agent.say(ask_data("x", 2))
    give.may_answer.set()
    assert _fetch(agent, _answers(agent, 2)[1].digest) == b"new"


def test_an_agent_that_was_out_of_reach_is_told_to_forget_when_it_is_back(
    pair: tuple[Session, FakeAgent],
) -> None:
    session, agent = pair

    def forgets() -> list[ForgetData]:
        return [one for one in list(agent.documents) if isinstance(one, ForgetData)]

    agent.forget_connection()
    wait_until(lambda: len(agent.hellos) == 2, 20, "the session to be resumed")
    assert forgets() == []
    wait_until(lambda: session.connection_status.connected_agents == 1, 10, "the agent to be back")
    session.forget_data("x")
    wait_until(lambda: len(forgets()) == 1, 10, "ForgetData")
    agent.forget_connection()
    wait_until(lambda: len(forgets()) == 2, 20, "ForgetData again")
    assert forgets()[1].names is None


def test_volatile_data_is_asked_for_each_time(pair: tuple[Session, FakeAgent]) -> None:
    session, agent = pair
    contents = iter([b"first", b"second"])
    session.bind_get_data(lambda _name: next(contents), volatile=True)
    for request in (1, 2):
        agent.say(ask_data("x", request))
        assert _answers(agent, request)[-1].volatile
    first, second = _answers(agent, 2)
    assert _fetch(agent, second.digest) == b"second"
    assert first.digest != second.digest


def test_data_goes_before_results_that_wait_for_their_callback(
    pair: tuple[Session, FakeAgent], module: Path
) -> None:
    session, agent = pair
    order: list[str] = []
    may_return = threading.Event()

    def first(_out: Stream) -> None:
        may_return.wait(20)

    def answer(name: str) -> bytes:
        order.append(name)
        return b""

    session.bind_get_data(answer)
    session.run_task(module, "f", b"", first)
    for _ in range(3):
        session.run_task(module, "f", b"", lambda _out: order.append("finalize"))
    wait_until(lambda: len(agent.acknowledged) == 5, 10, "all results")
    agent.say(ask_data("data"))
    wait_until(lambda: bool(session._engine.callbacks._urgent), 10, "the question")
    may_return.set()
    assert session.wait_for_completion(10)
    assert order == ["data", "finalize", "finalize", "finalize"]
