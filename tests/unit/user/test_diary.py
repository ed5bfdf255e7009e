"""The diary of a session: bounded, whole, readable after the program, and never in the way."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from hxgrid.user.core.explain import Explanation
from hxgrid.user.diary import MAX_DIARIES, MAX_FAILURES, Diary, Look, read_diaries
from tests.harness.wait import wait_until

HEADER = {"session": "a" * 32, "program": "app.py", "process_id": 1}
WAITING = Look({"accepted": 1}, (Explanation("task", "1", "Task 1 waits: no agent is known."),))
NOTHING = Look({}, ())


def diary(folder: Path, look: Look = NOTHING, session: str = "a" * 32) -> Diary:
    return Diary({**HEADER, "session": session}, lambda: look, dict, folder, every_s=0.01)


def test_why_tasks_wait_is_written_while_they_do(tmp_path: Path) -> None:
    one = diary(tmp_path, WAITING)
    one.start()
    wait_until(lambda: read_diaries(tmp_path), 5, "the diary to be written")
    (page,) = read_diaries(tmp_path)
    assert page["tasks"] == [
        {"task": "1", "state": "waiting", "text": "Task 1 waits: no agent is known."}
    ]
    assert page["ended_at"] is None
    one.close()


def test_what_waited_is_no_longer_told_when_the_session_has_ended(tmp_path: Path) -> None:
    one = diary(tmp_path, WAITING)
    one.start()
    wait_until(lambda: read_diaries(tmp_path), 5, "the diary to be written")
    one.note_failure(7, "task 7 failed: no more\nlines")
    one.close()
    one.close()
    (page,) = read_diaries(tmp_path)
    assert page["tasks"] == [{"task": 7, "state": "failed", "text": "task 7 failed: no more lines"}]
    assert page["ended_at"] > 0


def test_a_failure_of_a_short_program_is_kept(tmp_path: Path) -> None:
    one = diary(tmp_path)
    one.note_failure(1, "why")
    one.close()
    assert read_diaries(tmp_path)[0]["tasks"][0]["text"] == "why"


def test_a_session_without_anything_to_tell_writes_nothing(tmp_path: Path) -> None:
    one = diary(tmp_path)
    one.start()
    one.close()
    assert not read_diaries(tmp_path)


def test_what_does_not_change_is_written_once(tmp_path: Path) -> None:
    looks = threading.Semaphore(0)

    def look() -> Look:
        looks.release()
        return WAITING

    one = Diary(HEADER, look, dict, tmp_path, every_s=0.001)
    one.start()
    wait_until(lambda: read_diaries(tmp_path), 5, "the diary to be written")
    before = next(tmp_path.glob("*.json")).stat().st_mtime_ns
    for _ in range(5):
        assert looks.acquire(timeout=5)
    assert next(tmp_path.glob("*.json")).stat().st_mtime_ns == before
    one.close()


def test_failures_are_bounded_and_the_last_are_kept(tmp_path: Path) -> None:
    one = diary(tmp_path)
    for number in range(MAX_FAILURES + 50):
        one.note_failure(number, "x" * 5000)
    one.close()
    tasks = read_diaries(tmp_path)[0]["tasks"]
    assert len(tasks) == MAX_FAILURES
    assert tasks[-1]["task"] == MAX_FAILURES + 49
    assert len(json.dumps(tasks)) < 100_000


def test_only_the_last_sessions_are_kept(tmp_path: Path) -> None:
    for number in range(MAX_DIARIES + 5):
        one = diary(tmp_path, session=f"{number:032}")
        one.note_failure(number, "why")
        one.close()
        os.utime(tmp_path / f"{number:032}.json", (number, number))
    pages = read_diaries(tmp_path)
    assert len(pages) <= MAX_DIARIES + 1
    assert pages[0]["session"] == f"{MAX_DIARIES + 4:032}"


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    one = diary(tmp_path / "sessions")
    one.note_failure(1, "secret")
    one.close()
    (path,) = (tmp_path / "sessions").glob("*.json")
    assert path.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = diary(tmp_path / "file" / "sessions")
    one.note_failure(1, "why")
    one.close()
    assert read_diaries(tmp_path / "file" / "sessions") == []


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"tasks": 1}', "{"])
def test_what_is_no_diary_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    assert read_diaries(tmp_path) == []
