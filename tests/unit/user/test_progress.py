"""The bar of `map(progress=True)`."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from hxgrid.user.progress import progress_of


class Terminal(io.StringIO):
    """A standard error that somebody looks at."""

    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stderr", stderr)
    bar = progress_of(True, ["a", "b", "c"])
    assert bar is not None
    bar.update(1)
    bar.update(2)
    bar.close()
    return stderr.getvalue()


def test_a_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, Terminal())
    assert "3/3" in text
    assert "━" in text


def test_nothing_is_drawn_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "3/3" not in drawn(monkeypatch, io.StringIO())


def test_whatever_counts_like_a_bar_is_taken() -> None:
    class Counter:
        count = 0

        def update(self, n: int) -> None:
            self.count += n

        def close(self) -> None:
            """Nothing to end."""

    counter = Counter()
    assert progress_of(counter, ()) is counter
    with pytest.raises(TypeError, match="update and close"):
        progress_of(object(), ())


LEFT_EARLY = """
import sys, hxgrid

with hxgrid.connect("inline") as session:
    results = sys.kept = session.map(abs, range(9), progress=True)
    {use}
"""


@pytest.mark.parametrize("use", ["next(results)", "pass"])
def test_a_bar_that_is_left_early_gives_the_cursor_back(use: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_EARLY.format(use=use)],
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"},  # a terminal, as far as it knows
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in ended.stderr
    shown, hidden = ended.stderr.rfind("\x1b[?25h"), ended.stderr.rfind("\x1b[?25l")
    assert shown > hidden > -1
