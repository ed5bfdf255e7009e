"""The session behind a native application, and what takes its place."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxgrid.bridge.opening import Opening, Wish
from hxgrid.bridge.writer import FrameWriter
from hxgrid.user.session import Session
from tests.harness.wait import wait_until


def wish(settings: str) -> Wish:
    return Wish(
        keeps_looking=True,
        timeout_s=10.0,
        agents=1,
        slots=1,
        address="127.0.0.1:9",  # nobody answers there; tasks would wait
        settings=settings,
        program_folder="",
    )


def wait_until_it_turns(session: Session) -> None:
    wait_until(session._engine.thread.is_alive, 10, "the session's loop to run")


@pytest.fixture
def writer() -> Iterator[FrameWriter]:
    read_end, write_end = os.pipe()
    yield FrameWriter(write_end)
    os.close(read_end)
    os.close(write_end)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to people; the logging of the tests stays as it is."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    log = logging.getLogger("hxgrid")
    monkeypatch.setattr("hxgrid.bridge.opening.set_logging", lambda _settings: None)
    monkeypatch.setattr(log, "handlers", [*log.handlers, Lines()])
    return lines


def threads_of_opening() -> list[str]:
    names = ("hxgrid-opening", "hxgrid-search", "hxgrid-session")
    return [one.name for one in threading.enumerate() if one.name.startswith(names)]


@pytest.mark.parametrize("waits_for", ["nothing", "session"])
def test_whoever_is_released_while_its_session_opens_leaves_nothing_behind(
    writer: FrameWriter, said: list[str], waits_for: str
) -> None:
    for _ in range(25):
        opening = Opening(wish(""), writer, lambda _session: None)
        opening.start()
        if waits_for == "session":
            opening.session()
        opening.close()
    wait_until(lambda: not threads_of_opening(), 20, "all threads to end", seen=threads_of_opening)
    assert said == []


def test_a_session_that_replaces_another_takes_its_journal_over(
    tmp_path: Path, writer: FrameWriter
) -> None:
    journal = tmp_path / "journal"
    opening = Opening(wish(f"journal = {str(journal)!r}"), writer, lambda _session: None)
    opening.start()
    try:
        first = opening.session()
        assert first.journal_status is not None
        wait_until_it_turns(first)
        opening.replace(first.settings.with_changes(weight=2.0))

        second = opening.session()

        wait_until_it_turns(second)
        assert second is not first
        assert second.journal_status is not None
        assert second.journal_status.path == journal
    finally:
        opening.close()
