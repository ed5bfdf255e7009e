"""A session that is connected to an agent of the test's own making."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hxgrid.settings import UserSettings
from hxgrid.transport.security import Security
from hxgrid.user.session import Session
from tests.unit.user.fake_agent import FakeAgent, Work

MakeSession = Callable[..., tuple[Session, FakeAgent]]


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module file; what its functions do is up to the fake agent."""
    path = tmp_path / "work.py"
    path.write_text("# run by the test's agent\n")
    return path


@pytest.fixture
def make_session(tmp_path: Path) -> Iterator[MakeSession]:
    """Open a session with a fake agent that does `work`; ended without waiting after the test."""
    with ExitStack() as stack:

        def make(work: Work, *, slots: int = 2, **settings: Any) -> tuple[Session, FakeAgent]:
            agent = stack.enter_context(FakeAgent(work, slots=slots))
            chosen = UserSettings(spill_folder=tmp_path / "spill", **settings)
            session = Session(chosen, Security(trust_network=True))
            stack.callback(session.close, cancel=True)
            session.open([agent.entry], 10)
            return session, agent

        yield make


def echo(_: str, data: bytes) -> bytes:
    """Give the input back."""
    return data


def hold(_: str, data: bytes) -> None:
    """Leave every attempt unanswered."""
