"""The progress bar of `map`: rich's on standard error, or whatever has tqdm's two methods."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hxgrid.user.mapping import Progress


class _Bar:
    """A bar on standard error; draws nothing where standard error is no terminal."""

    def __init__(self, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        self._progress = RichProgress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )
        self._row = self._progress.add_task("", total=total)
        self._is_closed = False
        self._progress.start()
        # A loop that was left early may end with the interpreter, when nothing can be drawn.
        atexit.register(self.close)

    def update(self, n: int) -> None:
        """Move on by so many."""
        self._progress.advance(self._row, n)

    def close(self) -> None:
        """End the display. Twice is harmless."""
        if not self._is_closed:
            self._is_closed = True
            atexit.unregister(self.close)
            self._progress.stop()


def progress_of(asked: Any, iterable: object) -> Progress | None:
    """Return what shows progress: nothing, our bar for True, or the object that was given."""
    if asked is None or asked is False:
        return None
    if asked is True:
        return _Bar(len(iterable) if hasattr(iterable, "__len__") else None)
    if not hasattr(asked, "update") or not hasattr(asked, "close"):
        raise TypeError(f"progress needs the methods update and close, which {asked!r} lacks")
    shown: Progress = asked
    return shown
