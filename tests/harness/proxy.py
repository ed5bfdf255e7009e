"""A TCP proxy that behaves badly on command: late, silent, deaf, or gone with a reset.

It runs an asyncio loop in a thread of its own. A condition is in force for all connections, those
that exist and those that come, until it is changed. It can work inside a network namespace, while
the test that commands it stays outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLONE_NEWNET = 0x40000000
READ_BYTES = 64 * 1024
QUEUED_READS = 64  # a direction that nobody reads holds at most 4 MiB, then TCP pushes back


class TcpProxy:
    """Forwards connections to `target`; made by `with TcpProxy(target) as proxy`."""

    def __init__(
        self,
        target: tuple[str, int],
        host: str = "127.0.0.1",
        port: int = 0,
        namespace: Path | None = None,
    ) -> None:
        self._target = target
        self._host = host
        self._port = port
        self._namespace = namespace
        self._delay_s = 0.0
        self._is_discarding = False
        self._is_refusing = False
        self._loop = asyncio.new_event_loop()
        self._moving = asyncio.Event()
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect instead of to the target."""
        return self._host, self._port

    @property
    def connection_count(self) -> int:
        """How many connections go through at this moment."""
        return len(self._connections) // 2

    def delay(self, seconds: float) -> None:
        """Hand on everything so much later, in order, without lowering the rate."""
        self._do(lambda: setattr(self, "_delay_s", seconds))

    def freeze(self) -> None:
        """Move nothing any more, in neither direction; connections stay (half-open to both)."""
        self._do(self._moving.clear)

    def thaw(self) -> None:
        """Go on after `freeze`; nothing is lost."""
        self._do(self._moving.set)

    def discard(self, on: bool = True) -> None:
        """Read and throw away: both ends believe that they were heard."""
        self._do(lambda: setattr(self, "_is_discarding", on))

    def refuse(self, on: bool = True) -> None:
        """Reset each new connection at once."""
        self._do(lambda: setattr(self, "_is_refusing", on))

    def reset(self) -> None:
        """Break all connections with a TCP reset on both sides."""
        self._do(self._reset_all)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        if self._namespace is not None:
            _enter(self._namespace)
        self._loop.run_forever()

    def _do(self, action: Callable[[], object]) -> None:
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        assert done.wait(10), "the proxy's loop does not answer"

    async def _open(self) -> None:
        self._moving.set()
        self._server = await asyncio.start_server(self._accepted, self._host, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections.values())
        self._reset_all()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            _abort(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _abort(writer)
            return
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._connections[sink] = self._loop.create_task(self._forward(source, sink))

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_READS)
        feeding = self._loop.create_task(self._feed(source, queue))
        try:
            with contextlib.suppress(OSError):
                await self._drain(queue, sink)
        finally:
            feeding.cancel()
            self._connections.pop(sink, None)
            sink.close()

    async def _feed(
        self, source: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"-"
        while data:
            try:
                data = await source.read(READ_BYTES)
            except OSError:
                data = b""
            if not (data and self._is_discarding):
                await queue.put((self._loop.time() + self._delay_s, data))

    async def _drain(
        self, queue: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        while True:
            due_at, data = await queue.get()
            await asyncio.sleep(max(0.0, due_at - self._loop.time()))
            await self._moving.wait()
            if not data:
                return
            sink.write(data)
            await sink.drain()

    def _reset_all(self) -> None:
        for sink, task in list(self._connections.items()):
            _abort(sink)
            task.cancel()


def _enter(namespace: Path) -> None:
    """Move the calling thread, and it alone, into a network namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    handle = os.open(namespace, os.O_RDONLY)
    try:
        if library.setns(handle, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns", str(namespace))
    finally:
        os.close(handle)


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of a polite end."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
