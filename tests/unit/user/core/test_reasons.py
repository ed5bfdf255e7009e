from __future__ import annotations

import pytest

from hxgrid.user.core.reasons import reason_of
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.messages import Outcome, Reason


def record(outcome: Outcome, payload: bytes) -> ResultRecord:
    return ResultRecord(1, 1, outcome, 0, 0, len(payload), len(payload), 0.0, 0.0, payload)


def test_what_the_agent_says_is_kept() -> None:
    reason = Reason(text="boom", traceback="line 1")
    assert reason_of(record(Outcome.FAILED, reason.model_dump_json().encode())) == reason


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"{}", b"[1, 2]", b'{"text": 5}'])
@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.DONE])
def test_what_cannot_be_read_becomes_a_sentence(outcome: Outcome, payload: bytes) -> None:
    sentence = reason_of(record(outcome, payload))
    assert isinstance(sentence, str)
    assert sentence
