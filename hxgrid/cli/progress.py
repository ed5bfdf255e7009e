"""A progress bar on standard error; nothing where nobody looks, or with --quiet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """Shows how far a job is. `advance_to` may be called from any thread."""

    def __init__(self, title: str, total: int | None, *, is_shown: bool) -> None:
        self._title = title
        self._total = total
        self._is_shown = is_shown and sys.stderr.isatty()
        self._progress: Progress | None = None
        self._row: TaskID | None = None

    def advance_to(self, done: int) -> None:
        """Show that so many are done."""
        if self._progress is not None and self._row is not None:
            self._progress.update(self._row, completed=done)

    def __enter__(self) -> Self:
        if self._is_shown:
            self._progress = _make()
            self._row = self._progress.add_task(self._title, total=self._total)
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


def _make() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    console = Console(stderr=True)
    if console.width >= 80:
        columns.append(TimeRemainingColumn())
    return Progress(*columns, console=console, expand=True, redirect_stdout=False)
