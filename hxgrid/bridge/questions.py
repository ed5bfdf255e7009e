"""Global data: the session's question goes to the application, and its answer comes back."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any, Final

from hxgrid.bridge.frames import Answer, Fields, Frame, Kind, pack_text
from hxgrid.bridge.packed import expanded_or_same
from hxgrid.bridge.writer import FrameWriter
from hxgrid.errors import DataUnavailable, RemoteProtocolError

_QUESTION: Final = struct.Struct("<I")


class _Asked:
    """One question under way."""

    def __init__(self) -> None:
        self.is_answered = threading.Event()
        self.answer: Any = None
        self.why = ""


class Questions:
    """Asks the application; answers come on the reader's thread."""

    def __init__(self, writer: FrameWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()  # guards what follows
        self._asked: dict[int, _Asked] = {}
        self._next = 1
        self._is_over = False

    def ask(self, name: str) -> Any:
        """Have the application answer, and wait for it; the callback of `bind_get_data`."""
        asked = _Asked()
        with self._lock:
            if self._is_over:
                return None
            number = self._next
            self._next += 1
            self._asked[number] = asked
        self._writer.put(Kind.WANTED, _QUESTION.pack(number) + pack_text(name))
        asked.is_answered.wait()
        if asked.why:
            raise DataUnavailable(asked.why)
        return asked.answer

    def take(self, frame: Frame) -> None:
        """Take an ANSWER."""
        fields = Fields(frame.head)
        number, form, text = fields.u32(), fields.u32(), fields.text()
        with self._lock:
            asked = self._asked.pop(number, None)
        if asked is None:
            raise RemoteProtocolError(f"the application answered question {number}, unasked")
        if form == Answer.PATH:
            asked.answer = Path(text)
        elif form == Answer.BYTES:
            asked.answer = frame.payload
        elif form == Answer.BYTES_TO_UNPACK:
            asked.answer = expanded_or_same(frame.payload)
        else:
            asked.why = text
        asked.is_answered.set()

    def end(self) -> None:
        """Answer all questions with nothing, now and later."""
        with self._lock:
            self._is_over = True
            left, self._asked = list(self._asked.values()), {}
        for asked in left:
            asked.is_answered.set()
