"""Why an attempt ended badly, read from its result."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.limits import MAX_JSON_BYTES
from hxgrid.wire.messages import Outcome, Reason

_SENTENCES: Final = {
    Outcome.FAILED: "the function failed without saying why",
    Outcome.CRASHED: "its process died",
    Outcome.REFUSED: "the agent refused it without saying why",
    Outcome.CANCELLED: "stopped on request",
    Outcome.NOT_STARTED: "given back before it started",
    Outcome.UNUSABLE: "its module cannot be used there",
    Outcome.LOST: "its process disappeared",
}


def reason_of(record: ResultRecord) -> Reason | str:
    """Return what the agent says, or a sentence of our own if it says nothing readable."""
    payload = record.payload
    sentence = _SENTENCES.get(Outcome(record.outcome), "")
    if not payload or len(payload) > MAX_JSON_BYTES:
        return sentence
    try:
        return Reason.model_validate_json(bytes(payload))
    except ValidationError:
        return sentence
