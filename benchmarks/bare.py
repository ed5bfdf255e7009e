"""The baseline: bare pyzmq between processes, with the least that echoing takes.

One ROUTER here, DEALERs in the echo processes, over TCP on loopback, without keys. One message is
one task. Run as a program this file is an echo process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Self

import zmq

LARGE_BYTES = 65536
"""From this size on copying costs more than handing over."""


class BareEchoes:
    """So many echo processes and the socket that they are connected to."""

    def __init__(self, processes: int) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        command = [sys.executable, __file__, str(port)]
        self._processes = [subprocess.Popen(command) for _ in range(processes)]
        self._names = [self._socket.recv_multipart()[0] for _ in self._processes]

    @property
    def process_ids(self) -> list[int]:
        """Numbers of the echo processes."""
        return [process.pid for process in self._processes]

    def rate(self, count: int, payload: bytes, in_flight: int) -> float:
        """Return how many messages a second come back, with so many under way per process."""
        socket = self._socket
        began = time.perf_counter()
        sent = 0
        for _ in range(in_flight):
            for name in self._names:
                if sent < count:
                    socket.send_multipart([name, payload])
                    sent += 1
        for _ in range(count):
            name, _ = socket.recv_multipart()
            if sent < count:
                socket.send_multipart([name, payload])
                sent += 1
        return count / (time.perf_counter() - began)

    def large_rate(self, count: int, payload: bytes, in_flight: int) -> float:
        """Likewise for messages that are worth not copying."""
        socket = self._socket
        began = time.perf_counter()
        sent = 0
        for _ in range(in_flight):
            for name in self._names:
                if sent < count:
                    socket.send(name, zmq.SNDMORE)
                    socket.send(payload, copy=False)
                    sent += 1
        for _ in range(count):
            name = socket.recv()
            socket.recv(copy=False)
            if sent < count:
                socket.send(name, zmq.SNDMORE)
                socket.send(payload, copy=False)
                sent += 1
        return count / (time.perf_counter() - began)

    def round_trips(self, count: int, payload: bytes) -> list[float]:
        """Return the seconds of one message there and back, one at a time."""
        socket, name, times = self._socket, self._names[0], []
        for _ in range(count):
            began = time.perf_counter()
            socket.send_multipart([name, payload])
            socket.recv_multipart()
            times.append(time.perf_counter() - began)
        return times

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def echo(port: int) -> None:
    """Send back whatever comes."""
    socket = zmq.Context().socket(zmq.DEALER)
    socket.connect(f"tcp://127.0.0.1:{port}")
    socket.send(b"")
    while True:
        # Small messages are cheaper copied; the size of the next is that of the last.
        frame = socket.recv()
        while len(frame) < LARGE_BYTES:
            socket.send(frame)
            frame = socket.recv()
        socket.send(frame, copy=False)
        del frame
        while True:
            large = socket.recv(copy=False)
            if len(large) < LARGE_BYTES:
                socket.send(large.bytes)
                break
            socket.send(large, copy=False)


if __name__ == "__main__":
    echo(int(sys.argv[1]))
