"""Task code that attacks the agent through its own socket: it costs its own process only."""

from __future__ import annotations

import pytest

from hxgrid_agent.execution.events import Died
from tests.unit.agent.execution.conftest import SmallAgent


def attack(agent: SmallAgent, line: str) -> Died:
    # The task finds its process's socket by what it is: the first socket there.
    agent.run(
        agent.body(
            "import os, stat, struct",
            "fd = next(n for n in range(3, 50) if os.path.exists(f'/proc/self/fd/{n}')",
            "          and stat.S_ISSOCK(os.fstat(n).st_mode))",
            "def say(kind, body): os.write(fd, struct.pack('<IB', len(body), kind) + body)",
            line,
            "while True: pass",
        )
    )
    return agent.await_event(Died)


@pytest.mark.parametrize(
    "line",
    [
        "os.write(fd, b'GET / HTTP/1.1' + bytes([255]) * 100)",
        "os.write(fd, bytes([255]) * 5)",
        "say(17, b'')",
        "say(17, struct.pack('<IQBBQQdd', 1, 999, 0, 0, 0, 0, 0, 0))",
        "say(17, struct.pack('<IQBBQQdd', 1, 1, 0, 0x80, 5, 5, 0, 0))",
        "say(17, struct.pack('<IQBBQQdd', 1, 1, 0, 0, 0, 5, 0, 0))",
        "say(18, struct.pack('<Q', 999))",
        "say(18, b'123')",
        "say(19, b'{}')",
        "say(19, b'nonsense')",
        "say(200, b'{}')",
    ],
    ids=[
        "garbage",
        "huge frame",
        "empty batch",
        "unknown attempt",
        "file that is not there",
        "sizes that contradict",
        "unknown attempt given back",
        "half a serial",
        "data request without a name",
        "no JSON",
        "unknown kind",
    ],
)
def test_nonsense_from_a_process_ends_that_process(agent: SmallAgent, line: str) -> None:
    died = attack(agent, line)
    assert "broke the rules" in died.reason.text


def test_a_pipe_in_place_of_an_output_file_is_not_opened(agent: SmallAgent) -> None:
    exchange = str(agent.folder / "exchange")
    line = (
        f"os.mkfifo(f'{exchange}/output-{{os.getpid()}}-1'); "
        "say(17, struct.pack('<IQBBQQdd', 1, 1, 0, 0x80, 0, 0, 0, 0))"
    )
    assert "broke the rules" in attack(agent, line).reason.text
