"""Sessions that one thread closes while another is opening them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxgrid.errors import SessionClosed
from hxgrid.settings import UserSettings
from hxgrid.transport.security import Security
from hxgrid.user import lifetime
from hxgrid.user.session import Session
from hxgrid.wire.messages import RosterEntry
from tests.harness.wait import wait_until

NOBODY = {"coordinator": "127.0.0.1:9", "allow_discard_coordinator": False}


@pytest.fixture
def restless() -> Iterator[None]:
    """Have threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def make(tmp_path: Path) -> Session:
    settings = UserSettings(spill_folder=tmp_path / "spill").with_changes(**NOBODY)
    return Session(settings, Security(trust_network=True))


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("entries", [[], None], ids=["known", "looked for"])
def test_opening_and_closing_at_once_ends_both_quickly_and_quietly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, entries: list[RosterEntry] | None
) -> None:
    outcomes: set[str] = set()
    for _ in range(60):
        session = make(tmp_path)
        at_once = threading.Barrier(2)

        def open_it(session: Session = session, at_once: threading.Barrier = at_once) -> None:
            at_once.wait()
            try:
                session.open(entries, 60)
                outcomes.add("opened")
            except SessionClosed as error:
                outcomes.add(error.headline)

        opener = threading.Thread(target=open_it)
        opener.start()
        at_once.wait()
        session.close(cancel=True)
        opener.join(20)
        assert not opener.is_alive(), "it does not wait for a grid any more"
        assert not session._engine.thread.is_alive()
        assert session not in lifetime._open.values()
    assert outcomes - {"opened"}, "never closed before it was open: the test shows nothing"
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == []


def test_a_closed_session_cannot_be_opened(tmp_path: Path) -> None:
    session = make(tmp_path)
    session.close(cancel=True)
    with pytest.raises(SessionClosed):
        session.open([], 10)
    assert session not in lifetime._open.values()


@pytest.mark.replaces
def test_a_question_to_a_loop_that_ends_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make(tmp_path)
    session.open([], 10)
    engine = session._engine
    errors: list[SessionClosed] = []

    def ask() -> None:
        try:
            engine.ask(lambda: None)
        except SessionClosed as error:
            errors.append(error)

    engine.loop.stop()
    monkeypatch.setattr(engine.loop, "call_soon_threadsafe", lambda _command: None)
    asker = threading.Thread(target=ask)
    asker.start()
    wait_until(lambda: not asker.is_alive(), 5, "the answer")
    assert len(errors) == 1
    monkeypatch.undo()
    session.close(cancel=True)
