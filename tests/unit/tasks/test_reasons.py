from __future__ import annotations

from pathlib import Path

from hxgrid.tasks import reasons
from hxgrid.wire.documents import read_reason


class BrokenError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even this fails")


def test_a_reason_is_what_the_wire_says_it_is() -> None:
    payload = reasons.reason(
        "it fell", exception="Fall", trace="down", output=b"ouch", signal="SIGX"
    )
    reason = read_reason(payload)
    assert (reason.text, reason.exception, reason.traceback) == ("it fell", "Fall", "down")
    assert (reason.output, reason.signal) == ("ouch", "SIGX")


def test_a_reason_fits_the_wire_whatever_is_in_it() -> None:
    payload = reasons.reason(
        "x" * 10**6,
        exception="y" * 10**6,
        trace="\udcff\0\n" * 10**6,
        output=b"\xff\0\x1b" * 10**6,
    )
    reason = read_reason(payload)
    assert reason.text.startswith("xxx")
    assert "shortened" in reason.traceback
    assert 0 < len(reason.output) <= reasons.OUTPUT_BYTES


def test_the_sentence_names_the_class() -> None:
    assert reasons.sentence(ValueError("bad")) == "ValueError: bad"
    assert reasons.sentence(ValueError()) == "ValueError"


def test_an_exception_with_a_broken_text_is_told_all_the_same() -> None:
    error = BrokenError()
    assert "BrokenError" in reasons.sentence(error)
    assert "BrokenError" in reasons.traceback_of(error)


def test_a_traceback_begins_outside_the_own_folders() -> None:
    try:
        Path("/nonexistent/file").read_bytes()
    except OSError as error:
        reasons.hide_folder(Path(__file__).parent)
        text = reasons.traceback_of(error)
    assert "FileNotFoundError" in text
    assert Path(__file__).name not in text
