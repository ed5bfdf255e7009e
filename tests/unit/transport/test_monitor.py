"""Reading a monitor's events."""

from __future__ import annotations

import subprocess
import sys

import zmq

from hxgrid.transport.monitor import read_event


def test_events_are_read_as_pyzmq_reads_them() -> None:
    with (
        zmq.Context() as context,
        context.socket(zmq.ROUTER) as server,
        server.get_monitor_socket(int(zmq.EVENT_LISTENING)) as monitor,
    ):
        server.bind_to_random_port("tcp://127.0.0.1")
        frames = monitor.recv_multipart()
        server.disable_monitor()
    from zmq.utils.monitor import parse_monitor_message

    expected = parse_monitor_message(frames)
    assert read_event(frames) == (expected["event"], expected["value"])
    assert read_event(frames).event == zmq.EVENT_LISTENING


def test_a_bridge_starts_without_asyncio() -> None:
    code = "import sys; import hxgrid.bridge.server; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
