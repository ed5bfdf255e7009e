"""A connection that breaks, begins anew or ends at awkward moments."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hxgrid.settings import UserSettings
from hxgrid.transport import sockets
from hxgrid.transport.security import Security
from hxgrid.user import agent_link
from hxgrid.user.agent_link import LinkState
from hxgrid.user.session import Session
from hxgrid.wire.messages import Goodbye, Hello, Welcome
from tests.harness.wait import wait_until
from tests.unit.user.conftest import MakeSession, echo
from tests.unit.user.fake_agent import CAPABILITIES, LOAD, FakeAgent


@pytest.mark.replaces
def test_a_function_offered_into_a_broken_connection_is_offered_again(
    make_session: MakeSession, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, agent = make_session(echo)
    wait_until(lambda: session.connection_status.connected_agents == 1, 10, "the agent")
    is_cut = threading.Event()
    send = sockets.send_message

    def send_unless_cut(socket: Any, frames: Sequence[Any]) -> bool:
        return not is_cut.is_set() and send(socket, frames)

    monkeypatch.setattr(agent_link, "send_message", send_unless_cut)

    def submit_two() -> list[Any]:
        is_cut.set()
        return [session.run_task(module, "f", b"%d" % number) for number in range(2)]

    tasks = session._engine.ask(submit_two)  # by the loop, so that both are sent together
    [link] = session._engine.driver.links.values()
    wait_until(lambda: link.state is LinkState.GREETING, 10, "the loss to be seen")
    is_cut.clear()
    assert [task.result(10).read() for task in tasks] == [b"0", b"1"]
    assert agent.offer_count == 1


def test_an_agent_that_has_begun_anew_is_followed(make_session: MakeSession, module: Path) -> None:
    session, agent = make_session(echo)
    wait_until(lambda: session.connection_status.connected_agents == 1, 10, "the agent")
    # The answer to a Hello that was on its way when the connection was renewed.
    welcome = Welcome(
        boot_id=agent.boot_id,
        agent_name="fake",
        handle=7,
        resumed=True,
        slots=2,
        capabilities=CAPABILITIES,
        load=LOAD,
    )
    agent.say(welcome)
    wait_until(lambda: len(agent.hellos) == 2, 10, "both ends to begin at the same place")
    task = session.run_task(module, "f", b"x")
    assert task is not None
    assert task.result(10).read() == b"x"


def test_an_agent_that_has_not_answered_hello_hears_goodbye(tmp_path: Path) -> None:
    with FakeAgent(echo) as agent:

        def keep_waiting(_: bytes, hello: Hello) -> None:
            agent.hellos.append(hello)

        agent._welcome = keep_waiting  # type: ignore[method-assign, assignment]
        session = Session(UserSettings(spill_folder=tmp_path), Security(trust_network=True))
        session.open([agent.entry], 10)
        wait_until(lambda: bool(agent.hellos), 10, "Hello")
        session.close()
        wait_until(lambda: bool(agent.documents), 10, "Goodbye")
        assert isinstance(agent.documents[0], Goodbye)


def test_an_order_that_fails_does_not_stop_the_others(make_session: MakeSession) -> None:
    session, _ = make_session(echo)
    driver = session._engine.driver
    done: list[Any] = []

    def carry_out() -> None:
        usual, driver._carry_out = driver._carry_out, {int: lambda n: 1 // n, str: done.append}
        try:
            driver._execute([0, "next"])  # type: ignore[list-item]
        finally:
            driver._carry_out = usual

    session._engine.ask(carry_out)
    assert done == ["next"]
    assert driver.error_count == 1
