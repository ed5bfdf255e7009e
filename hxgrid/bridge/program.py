"""The console script `hxgrid-bridge`: standard input and output are the pipes of an application.

It is started by the library `hxgriduser`, not by people. It ends when the application closes its
session, closes the pipe, or is gone; also when something that the application has forked still
holds the pipe open. Ctrl-C is for the application.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import struct
import sys
import threading
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from hxgrid.bridge.server import Server
    from hxgrid.bridge.writer import FrameWriter

BUFFER_BYTES: Final = 256 * 1024
LOOK_EVERY_S: Final = 1.0
CLOSE_LIMIT_S: Final = 5.0
"""A session takes less than a second to close; whatever keeps it, the process must go."""

_LAST_WORDS_S: Final = 0.5
_FOR_PEOPLE: Final = (
    "hxgrid-bridge serves an application that uses the library hxgriduser, which starts it; there"
    " is nothing to type here.\n"
)


def main() -> None:
    """Serve the application at standard input and output until it goes."""
    if sys.stdin is None or sys.stdin.isatty():
        sys.stderr.write(_FOR_PEOPLE)
        raise SystemExit(2)
    _serve_pipes()


def _serve_pipes() -> NoReturn:
    parent = os.getppid()
    source, target = _take_pipes()
    with contextlib.suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The imports take longer than all else; a thread of the application waits for this frame only.
    from hxgrid.bridge.server import Server
    from hxgrid.bridge.writer import FrameWriter

    writer = FrameWriter(target)
    writer.start()
    _say_hello(writer)
    server = Server(io.BufferedReader(io.FileIO(source), BUFFER_BYTES), writer)
    threading.Thread(
        target=_watch_parent, args=(parent, server, writer), name="hxgrid-parent", daemon=True
    ).start()
    _serve(server, writer)


def _take_pipes() -> tuple[int, int]:
    """Return the pipes' descriptors; what is printed from now on goes to standard error."""
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)
    else:
        _fill_standard_error()
        # What the application has open is not for us, nor for what we start.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    source, target = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return source, target


def _fill_standard_error() -> None:
    """Have standard error be something: a pipe would get its number where it is closed."""
    try:
        os.fstat(2)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        if null != 2:
            os.dup2(null, 2)
            os.close(null)


def _say_hello(writer: FrameWriter) -> None:
    from importlib.metadata import version

    from hxgrid.bridge.frames import PROTOCOL_VERSION, Kind, pack_text

    head = struct.pack("<I", PROTOCOL_VERSION) + pack_text(version("hxgrid"))
    writer.put(Kind.HELLO, head)


def _serve(server: Server, writer: FrameWriter) -> NoReturn:
    from hxgrid.bridge.frames import Kind, Status, pack_text
    from hxgrid.errors import ProtocolError
    from hxgrid.logs import get_logger

    try:
        server.serve()
    except ProtocolError as error:
        get_logger("bridge").error("the application is not understood", reason=error)
        writer.put(Kind.ENDED, struct.pack("<I", Status.PROTOCOL) + pack_text(str(error)))
    except OSError as error:
        get_logger("bridge").error("the application's pipe broke", reason=error)
    _end(server, writer)


def _watch_parent(parent: int, server: Server, writer: FrameWriter) -> None:
    never = threading.Event()
    # On Windows a process keeps the number of its parent for ever, and nothing forks.
    while sys.platform == "win32" or os.getppid() == parent:
        never.wait(LOOK_EVERY_S)
    _end(server, writer)


_ending = threading.Lock()


def _end(server: Server, writer: FrameWriter) -> NoReturn:
    with _ending:  # the other one who comes to this waits here for the end of the process
        closer = threading.Thread(target=server.close, name="hxgrid-closer", daemon=True)
        closer.start()
        closer.join(CLOSE_LIMIT_S)
        writer.stop(_LAST_WORDS_S)
        logging.shutdown()
        # Not through the interpreter's end: threads that read pipes would keep it.
        os._exit(0)
