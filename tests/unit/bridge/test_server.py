"""What a native application hears from its bridge, and in which order."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator

import pytest

from hxgrid.bridge.frames import (
    HEADER,
    PROTOCOL_VERSION,
    Kind,
    OpenFlag,
    make_frame,
    pack_text,
)
from hxgrid.bridge.server import Server
from hxgrid.bridge.writer import FrameWriter
from tests.harness.wait import wait_until


class Application:
    """The other end of the pipes."""

    def __init__(self, to_bridge: int, from_bridge: int) -> None:
        self._to = os.fdopen(to_bridge, "wb", buffering=0)
        self._from = os.fdopen(from_bridge, "rb")
        self.calls = 0

    def say(self, kind: Kind, head: bytes, *, is_call: bool) -> None:
        self.calls += is_call
        self._to.write(make_frame(kind, self.calls if is_call else 0, head))

    def hear(self) -> tuple[Kind, int, bytes]:
        """Return kind, call and head of the next frame; none of those meant here has a payload."""
        kind, call, head_bytes, payload_bytes = HEADER.unpack(self._from.read(HEADER.size))
        assert not payload_bytes
        return Kind(kind), call, self._from.read(head_bytes)

    def leave(self) -> None:
        self._to.close()

    def close(self) -> None:
        self._from.close()


@pytest.fixture
def application() -> Iterator[Application]:
    """An application whose session looks for a grid that is not there."""
    to_server, from_application = os.pipe()
    to_application, from_server = os.pipe()
    application = Application(from_application, to_application)
    writer = FrameWriter(from_server)
    writer.start()
    with os.fdopen(to_server, "rb") as source:
        server = Server(source, writer)
        thread = threading.Thread(target=server.serve)
        thread.start()
        opening = struct.pack("<IIdII", PROTOCOL_VERSION, OpenFlag.KEEP_LOOKING, 10.0, 1, 1)
        opening += pack_text("127.0.0.1:9") + pack_text("") * 2 + struct.pack("<I", 1)
        application.say(Kind.OPEN, opening, is_call=False)
        yield application
        wait_until(server._session()._engine.thread.is_alive, 10, "the session's loop to run")
        application.leave()
        thread.join(30)
        server.close()
    writer.stop(1.0)
    os.close(from_server)
    application.close()


def test_new_limits_are_told_before_the_change_is_confirmed(application: Application) -> None:
    while application.hear()[0] is not Kind.WINDOW:
        pass
    for limit in (2, 500, 7):
        change = pack_text("max_queued_tasks") + pack_text(str(limit))
        application.say(Kind.SET_SETTING, change, is_call=True)
        kind, _, head = application.hear()
        assert (kind, head[:4]) == (Kind.WINDOW, struct.pack("<I", limit))
        assert application.hear()[:2] == (Kind.REPLY, application.calls)
