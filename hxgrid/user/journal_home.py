"""What a journal sees of its session: the loop, and the application's global data."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from hxgrid.transport.loop import Loop
from hxgrid.user.callbacks import CallbackRunner
from hxgrid.user.core.events import LookupsEnded, TasksHeld
from hxgrid.user.driver import Driver
from hxgrid.user.global_data import GlobalData
from hxgrid.wire.messages import DataAnswer, DataRequest

_ASKER: Final = "journal"
"""Stands for the agent that asks."""


class JournalHome:
    """Ties a journal to the parts of its session; part of `journal.Home`."""

    def __init__(
        self,
        loop: Loop,
        thread: threading.Thread,
        driver: Driver,
        data: GlobalData,
        callbacks: CallbackRunner,
    ) -> None:
        self.on_loop = loop.call_soon_threadsafe
        self._thread = thread
        self._driver = driver
        self._data = data
        self._callbacks = callbacks

    def feed(self, event: TasksHeld | LookupsEnded) -> None:
        """Give the core a fact."""
        self._driver.feed(event)

    def ask_data(self, name: str, tell: Callable[[str], None]) -> None:
        """Ask the application for global data, as an agent would; tells its digest."""

        def reply(answer: DataAnswer) -> None:
            tell(answer.digest or "")

        self._data.request(_ASKER, DataRequest(request=0, name=name), reply)

    def may_wait(self) -> bool:
        """Say whether waiting here keeps nobody from answering."""
        thread = self._thread
        is_loop = threading.current_thread() is thread
        return thread.is_alive() and not is_loop and not self._callbacks.is_callback_thread()
