"""`hxgrid doctor`: what each stage says, and the exit status. Probes are tried on real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from hxgrid.cli import asking, probes
from hxgrid.cli.doctor_task import turn_around
from hxgrid.cli.probes import Answered, Reached
from hxgrid.streams import Stream
from hxgrid.transport.beacon import Answer
from hxgrid.transport.security import Security
from hxgrid.wire.messages import NetworkAddress, RosterEntry

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

Entry = Callable[..., RosterEntry]
GridOf = Callable[..., None]


@pytest.fixture(autouse=True)
def all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer(b"", "a" * 32, 4100, "office")
    monkeypatch.setattr(
        probes, "ask_by_broadcast", lambda *_, **__: Answered(2, (("192.168.1.2", answer),))
    )
    monkeypatch.setattr(
        probes, "reach_agent", lambda *_: [Reached("192.168.1.7:4102", True, "", 0.002)]
    )
    monkeypatch.setattr(probes, "run_one_task", lambda *_: "")


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as holder:  # bound, but it does not listen: nobody else gets it
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_a_healthy_grid_is_status_0(run: Run, entry: Entry, grid_of: GridOf) -> None:
    grid_of(entry("pc7"), entry("pc8"))
    ended = run("doctor")
    assert ended.status == 0
    assert "FAIL" not in ended.stdout
    for words in ("versions", "network cards", "'office'", "agent pc7", "task on pc8"):
        assert words in ended.stdout
    assert "Everything works" in ended.stderr


def test_json_is_a_list_of_stages(run: Run, entry: Entry, grid_of: GridOf) -> None:
    grid_of(entry("pc7"))
    stages = json.loads(run("doctor", "--json").stdout)
    assert {"stage", "result", "text", "advice", "after_s"} == set(stages[0])
    assert stages[-1]["stage"] == "task on pc7"


def test_no_grid_is_status_3_and_says_how_to_start_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WAIT_S", 0.1)
    monkeypatch.setattr(probes, "ask_by_broadcast", lambda *_, **__: Answered(2, ()))
    monkeypatch.setattr(
        asking, "ask_coordinator", lambda settings, real=asking.ask_coordinator: real(settings, 0.1)
    )
    ended = run("doctor")
    assert ended.status == 3
    assert "hxgrid up" in ended.stdout
    assert "--trust-network" in ended.stdout
    assert "UDP port 4105" in ended.stdout


def test_a_port_where_nothing_listens_is_told(run: Run, closed_port: int, grid_of: GridOf) -> None:
    grid_of()
    ended = run("doctor", "--coordinator", f"127.0.0.1:{closed_port}")
    assert ended.status == 1
    assert f"127.0.0.1:{closed_port}: refused" in ended.stdout
    assert "firewall" in ended.stdout


def test_a_coordinator_without_agents_is_a_fault(run: Run, grid_of: GridOf) -> None:
    grid_of()
    ended = run("doctor")
    assert ended.status == 1
    assert "hxgrid agent" in ended.stdout


def test_an_agent_that_is_not_reached_gets_no_task(
    run: Run, entry: Entry, grid_of: GridOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid_of(entry("pc7"))
    monkeypatch.setattr(
        probes, "reach_agent", lambda *_: [Reached("192.168.1.7:4102", False, "no answer", 3.0)]
    )
    ended = run("doctor")
    assert ended.status == 1
    assert "FAIL  agent pc7: 192.168.1.7:4102 no answer" in ended.stdout
    assert "task on" not in ended.stdout


def test_a_task_that_fails_is_told(
    run: Run, entry: Entry, grid_of: GridOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid_of(entry("pc7"))
    monkeypatch.setattr(probes, "run_one_task", lambda *_: "it has no room on its disk")
    ended = run("doctor")
    assert ended.status == 1
    assert "FAIL  task on pc7: it has no room on its disk" in ended.stdout


def test_a_wrong_setting_is_status_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HXGRID_USER_MAX_ATTEMPTS", "many")
    ended = run("doctor")
    assert ended.status == 2
    assert "FAIL  settings: environment variable HXGRID_USER_MAX_ATTEMPTS" in ended.stdout


@pytest.mark.parametrize("columns", [60, 80])
def test_it_is_as_wide_as_the_terminal(
    run: Run, entry: Entry, grid_of: GridOf, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    from hxgrid.cli import doctor

    monkeypatch.setattr(doctor, "width", lambda: columns)
    grid_of(entry("pc7"))
    assert max(map(len, run("doctor").stdout.splitlines())) <= columns


def test_a_port_that_is_open_has_no_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert probes.try_port("127.0.0.1", server.getsockname()[1]) == ""


def test_a_port_that_is_not_says_why(closed_port: int) -> None:
    assert "refused" in probes.try_port("127.0.0.1", closed_port)
    assert "not known" in probes.try_port("no-such-host.invalid", 1)


def test_the_task_turns_its_input_around() -> None:
    class Agent:
        def test_connection(self) -> bool:
            return True

    output = Stream()
    assert turn_around(Agent(), 1, Stream(b"abc"), output)
    assert output.getvalue() == b"cba"


@pytest.mark.usefixtures("all_is_well")
class TestReaching:
    """The probe itself, at addresses where no agent is."""

    def test_every_address_is_tried_and_told(
        self, entry: Entry, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        monkeypatch.setattr("hxgrid.transport.seeking.SEEK_LIMIT_S", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            ports = (closed_port, stranger.getsockname()[1])
            one = entry("pc7").model_copy(
                update={"addresses": tuple(NetworkAddress(host="127.0.0.1", port=p) for p in ports)}
            )
            reached = probes.reach_agent(one, Security(trust_network=True))
        assert [found.is_right for found in reached] == [False, False]
        assert "refused" in reached[0].text
        assert "something else" in reached[1].text
