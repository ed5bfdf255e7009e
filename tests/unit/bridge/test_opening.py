"""The session behind a native application, and what takes its place."""

from __future__ import annotations

import os
from pathlib import Path

from hxgrid.bridge.opening import Opening, Wish
from hxgrid.bridge.writer import FrameWriter
from hxgrid.user.session import Session
from tests.harness.wait import wait_until


def wait_until_it_turns(session: Session) -> None:
    wait_until(session._engine.thread.is_alive, 10, "the session's loop to run")


def test_a_session_that_replaces_another_takes_its_journal_over(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    journal = tmp_path / "journal"
    wish = Wish(
        keeps_looking=True,
        timeout_s=10.0,
        agents=1,
        slots=1,
        address="127.0.0.1:9",  # nobody answers there; tasks would wait
        settings=f"journal = {str(journal)!r}",
        program_folder="",
    )
    opening = Opening(wish, FrameWriter(write_end), lambda _session: None)
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
        os.close(read_end)
        os.close(write_end)
