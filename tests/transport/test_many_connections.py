"""One program connected to as many others as its settings allow, which is more than systems do."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory, SocketLimits, client_context

CONNECT_TO_MANY = """
import resource, sys
import zmq
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory, client_context
count, port = map(int, sys.argv[1:])
context = client_context(count)
factory = SocketFactory(context, Security(trust_network=True))
dealers = [factory.dealer("127.0.0.1", port) for _ in range(count)]
for number, dealer in enumerate(dealers):
    assert dealer.poll(30_000, zmq.POLLOUT), f"no connection {number}"
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
context.destroy(0)
"""


def test_a_context_has_room_for_all_connections_and_those_being_made() -> None:
    context = client_context(1024)
    assert context.get(zmq.MAX_SOCKETS) >= 2 * 1024
    context.term()


def test_no_setting_asks_a_context_for_more_than_it_can_have() -> None:
    context = client_context(100_000)
    assert context.get(zmq.MAX_SOCKETS) == context.get(zmq.SOCKET_LIMIT)
    context.term()


@pytest.mark.slow
def test_more_agents_than_a_process_has_handles_at_first() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8192:
        pytest.skip(f"the system allows {hard} handles, and this needs 8192")
    count = 1200
    with zmq.Context() as context:
        security, limits = Security(trust_network=True), SocketLimits(max_connections=2 * count)
        server, port = SocketFactory(context, security, limits).router("127.0.0.1", None)
        ended = subprocess.run(
            [sys.executable, "-c", CONNECT_TO_MANY, str(count), str(port)],
            cwd=Path(__file__).parents[2],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 8192)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        server.close(0)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= 2 * count
