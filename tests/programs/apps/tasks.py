"""Task functions of the tests. The file travels to the agents, so it imports nothing of ours."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import hxgrid

STEP_S = 0.005


def echo(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Give back what came in."""
    sink.write(source.read())
    return True


def square(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Square a number, take the asked time for it, and say where that was done."""
    number, milliseconds = struct.unpack("<II", source.read())
    pause = threading.Event()
    ends_at = time.monotonic() + milliseconds / 1000
    while time.monotonic() < ends_at:
        if not agent.test_connection():
            return False
        pause.wait(STEP_S)
    cards = psutil.net_if_addrs().get("eth0", [])
    address = next((card.address for card in cards if "." in card.address), "")
    answer = {"number": number, "square": number**2, "pid": os.getpid(), "address": address}
    sink.write(json.dumps(answer).encode())
    return True


def fail(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Speak on both outputs, then raise."""
    sys.stdout.write("last words on stdout\n")
    sys.stderr.write("last words on stderr\n")
    raise ValueError("broken on purpose")


def say_no(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Return False, which is a failure without words."""
    return False


def crash(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """End the process as a bad pointer would."""
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
    return True


def hang(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Never end, and never ask whether anybody still wants the result."""
    agent.report(0.0, "hanging")
    threading.Event().wait()
    return True


def fill(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Write so many bytes as the input says, in a pattern that shows misplaced parts."""
    (size,) = struct.unpack("<Q", source.read())
    block = bytes(range(251)) * 4177  # about 1 MB; 251 is prime, so that no buffer size fits
    while size > 0:
        sink.write(block[: min(size, len(block))])
        size -= len(block)
    return True


def pass_on_data(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Give back the global data that the input names."""
    sink.write(agent.get_data(source.read().decode()).read())
    return True


def tell_of_data(
    agent: hxgrid.TaskAgent, session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Ask for global data and survive not getting it."""
    try:
        data = agent.get_data(source.read().decode()).read()
    except Exception as error:  # noqa: BLE001  which type it is, is what the caller wants to see
        sink.write(f"{type(error).__name__}: {error}".encode())
    else:
        sink.write(b"got " + data)
    return True


not_a_function = "a string where a function was expected"
