"""`hxgrid agent` as a person starts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.processes import Programs
from tests.harness.wait import Stopwatch, wait_until

LIMIT_S = 30.0


def test_it_says_what_it_does_and_ends_at_once_with_ctrl_c(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        agent = programs.hxgrid("agent", "--slots", "2", "--port", "0")
        wait_until(lambda: "listens on 127.0.0.1:" in agent.stderr(), LIMIT_S, "its sentence")
        wait_until(lambda: len(agent.note_descendants()) >= 2, LIMIT_S, "its task processes")
        assert "2 tasks" in agent.stderr()
        assert "--trust-network" in agent.stderr()
        assert agent.stdout() == ""
        watch = Stopwatch()
        agent.interrupt()
        agent.wait(LIMIT_S).expect(130)
        assert watch.elapsed_s() < 5
        programs.expect_no_process_left()


def test_it_takes_its_task_processes_along_when_killed(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        agent = programs.hxgrid("agent", "--slots", "1", "--port", "0", "--quiet")
        wait_until(lambda: len(agent.note_descendants()) >= 1, LIMIT_S, "its task process")
        agent.kill()
        programs.expect_no_process_left()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--slots", "0"), "--slots"),
        (("--coordinator", "a b"), "coordinator"),
        (("--bind", "192.0.2.1"), "--trust-network"),
        (("--coordinator", "192.0.2.1"), "--trust-network"),
    ],
)
def test_wrong_usage_is_status_2_with_a_reason(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    with Programs(tmp_path) as programs:
        ended = programs.run("agent", *arguments).expect(2)
        assert said in ended.stderr


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        first = programs.hxgrid("agent", "--port", "0", "--slots", "1")
        wait_until(lambda: "listens on 127.0.0.1:" in first.stderr(), LIMIT_S, "its sentence")
        port = first.stderr().split("127.0.0.1:")[1].split(".")[0]
        ended = programs.run("agent", "--port", port, "--slots", "1").expect(2)
        assert f"port {port} is taken" in ended.stderr
