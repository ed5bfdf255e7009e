from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxgrid.errors import ConfigError
from hxgrid.logs import configure_logging, format_event, get_logger


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    root = logging.getLogger("hxgrid")
    before = (list(root.handlers), root.level, root.propagate)
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level, root.propagate = before


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("pc7", "pc7"),
        (12, "12"),
        (0.1 + 0.2, "0.3"),
        (None, "None"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a"b', '"a\\"b"'),
        ("a=b", '"a=b"'),
        ("line\nsession=forged", '"line\\x0asession=forged"'),
        ("C:\\x", '"C:\\\\x"'),
    ],
)
def test_h13_a_value_cannot_be_mistaken_for_another_pair(value: object, shown: str) -> None:
    assert format_event("done", {"key": value}) == f"done key={shown}"


def test_a_line_carries_what_was_bound_and_what_was_given(caplog: pytest.LogCaptureFixture) -> None:
    log = get_logger("room").bind(session="ab", agent="old").bind(agent="pc7")
    with caplog.at_level(logging.INFO, "hxgrid.room"):
        log.info("100% done", task=3)
        log.debug("not shown")
    (record,) = caplog.records
    assert record.name == "hxgrid.room"
    assert record.getMessage() == "100% done session=ab agent=pc7 task=3"
    assert record.filename == "test_logs.py"


def test_an_exception_brings_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        get_logger("room").exception("task failed", task=3)
    assert "ValueError: no" in caplog.text


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_level_shows_itself_and_hides_what_is_below(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level)
    log = get_logger("room")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(f"at {name}")
    lines = capsys.readouterr().err.splitlines()
    shown = ["debug", "info", "warning", "error"]
    expected = shown[shown.index(level) :]
    assert [line.rsplit(" ", 1)[1] for line in lines] == expected


def test_log_files_stay_bounded(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "agent.log"
    configure_logging("info", file=file, file_max_bytes=1000, file_count=3)
    log = get_logger("room")
    for number in range(200):
        log.info("a line of some length", number=number)
    files = sorted(file.parent.iterdir())
    assert [path.name for path in files] == ["agent.log", "agent.log.1", "agent.log.2"]
    assert all(path.stat().st_size <= 1000 for path in files)


def test_configuring_again_replaces_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    configure_logging("info")
    get_logger("room").info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_library_alone_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("hxgrid").addHandler(logging.NullHandler())
    get_logger("room").error("nobody asked")
    assert capsys.readouterr().err == ""


def test_nothing_is_said_of_an_error_output_that_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    for output in (closed, Gone()):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", output)
            configure_logging()
        get_logger("room").warning("nobody reads this")
    assert capsys.readouterr().err == ""


def test_a_wrong_line_is_told_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    logging.getLogger("hxgrid.room").warning("%d", "no number")
    assert "Logging error" in capsys.readouterr().err


def test_a_log_file_that_cannot_be_opened_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for file in (tmp_path, tmp_path / "file" / "agent.log"):
        with pytest.raises(ConfigError, match="the log file cannot be opened") as caught:
            configure_logging(file=file)
        assert str(file) in str(caught.value)
        assert "[Errno" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_under_the_log_file_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    configure_logging(file=tmp_path / "log")
    for _ in range(3):
        get_logger("room").info("a line")
    said = capsys.readouterr().err
    assert said.count("log cannot be written: No space left on device") == 1
    assert "Traceback" not in said
    assert said.count("a line") == 3
