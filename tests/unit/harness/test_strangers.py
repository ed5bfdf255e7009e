from __future__ import annotations

from typing import TYPE_CHECKING

from hxgrid.wire.documents import read_document
from hxgrid.wire.messages import AgentStatus, Hello, Roster, RosterRequest, StatusReceived
from tests.harness import strangers

if TYPE_CHECKING:
    from hxgrid.wire.messages import Document


def own(number: int, fields: dict[str, object]) -> Document | None:
    return read_document(strangers.frame(number, **fields))


def test_a_coordinator_of_another_version_answers_well_formed() -> None:
    with strangers.OtherVersionCoordinator() as stranger:
        address = ("127.0.0.1", stranger.port)
        roster = strangers.ask(address, strangers.frame(strangers.ROSTER_REQUEST))
        status = strangers.ask(address, strangers.agent_status())
    assert roster is not None
    assert status is not None
    assert isinstance(own(*roster), Roster)
    assert isinstance(own(*status), StatusReceived)
    assert roster[1]["protocol"]["major"] == strangers.ANOTHER_MAJOR
    assert stranger.heard == [strangers.ROSTER_REQUEST, strangers.AGENT_STATUS]


def test_what_strangers_say_breaks_no_rule_but_the_version() -> None:
    assert isinstance(read_document(strangers.hello()), Hello)
    assert isinstance(read_document(strangers.agent_status()), AgentStatus)
    assert isinstance(own(strangers.ROSTER_REQUEST, {}), RosterRequest)


def test_silence_is_no_answer() -> None:
    with strangers.OtherVersionCoordinator() as stranger:
        port = stranger.port
    assert strangers.ask(("127.0.0.1", port), strangers.hello(), limit_s=0.1) is None
