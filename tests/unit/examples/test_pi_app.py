"""The application of the pi example, with a session that runs each task at once."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hxgrid_examples.picalculator import app

import hxgrid

FIRST_DIGITS = "14159265358979323846264338327950288419716939937510"


class YesAgent:
    """Always says that the task should go on."""

    def test_connection(self) -> bool:
        return True


class BackwardSession:
    """Runs tasks from their file and finishes the last one first."""

    def __init__(self) -> None:
        self.task_count = 0
        self._finished: list[tuple[Callable[[hxgrid.Stream], None], hxgrid.Stream]] = []

    def run_task(
        self,
        modules: Sequence[Path],
        function: str,
        in_stream: hxgrid.Stream,
        finalize: Callable[[hxgrid.Stream], None],
    ) -> None:
        self.task_count += 1
        output = hxgrid.Stream()
        task = runpy.run_path(str(modules[0]))[function]
        assert task(YesAgent(), 1, hxgrid.Stream(in_stream.getvalue()), output)
        self._finished.append((finalize, hxgrid.Stream(output.getvalue(), readonly=True)))

    def wait_for_completion(self) -> bool:
        while self._finished:
            finalize, output = self._finished.pop()
            finalize(output)
        return True


@pytest.mark.parametrize(("digits", "tasks"), [(1, 1), (9, 1), (10, 2), (50, 6)])
def test_as_many_digits_come_back_as_were_asked_for(digits: int, tasks: int) -> None:
    session = BackwardSession()
    assert app.compute(cast(Any, session), digits) == FIRST_DIGITS[:digits]
    assert session.task_count == tasks


def test_progress_counts_digits_up_to_the_number_asked_for() -> None:
    seen: list[tuple[int, int]] = []
    app.compute(cast(Any, BackwardSession()), 20, lambda done, digits: seen.append((done, digits)))
    assert seen == [(9, 20), (18, 20), (20, 20)]


@pytest.mark.parametrize("digits", [0, -9])
def test_no_digits_are_refused_before_a_task_is_made(digits: int) -> None:
    session = BackwardSession()
    with pytest.raises(ValueError, match=f"at least one digit .* not {digits}"):
        app.compute(cast(Any, session), digits)
    assert session.task_count == 0


def test_the_command_prints_the_digits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "run", lambda digits, address, _: f"{digits} at {address}")
    assert app.main(["5", "--address", "local"]) == 0
    assert capsys.readouterr().out.split("\n")[1] == "PI=3.5 at local"


def test_the_command_ends_with_the_status_of_the_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_nothing(digits: int, address: str | None, tasks: Sequence[app.PiTask]) -> str:
        raise hxgrid.NoGridFound("no grid found")

    monkeypatch.setattr(app, "run", find_nothing)
    assert app.main([]) == 3
    assert "no grid found" in capsys.readouterr().err
