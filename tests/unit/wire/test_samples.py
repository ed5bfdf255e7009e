"""Stored bytes of each message: what an older or newer program on the LAN really sends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hxgrid.wire.documents import BY_NUMBER, pack_document, read_document
from hxgrid.wire.messages import Batch, Document
from tests.unit.wire import examples

SAMPLES = json.loads((Path(__file__).parent / "samples.json").read_text(encoding="utf-8"))


def sample_frames(name: str) -> list[bytes]:
    return [bytes.fromhex(frame) for frame in SAMPLES["batches"][name]]


def test_each_message_of_the_catalogue_has_a_sample() -> None:
    assert set(SAMPLES["batches"]) == {batch.name for batch in Batch}
    assert set(SAMPLES["documents"]) == {str(number) for number in BY_NUMBER}


@pytest.mark.parametrize("batch", Batch, ids=lambda batch: batch.name)
def test_the_stored_batch_is_read_as_it_was_meant(batch: Batch) -> None:
    frames = sample_frames(batch.name)
    assert examples.read_batch(batch, [*frames]) == examples.MEANT[batch]


@pytest.mark.parametrize("batch", Batch, ids=lambda batch: batch.name)
def test_the_same_batch_is_packed_into_the_same_bytes(batch: Batch) -> None:
    assert [bytes(frame) for frame in examples.packed_batches()[batch]] == sample_frames(batch.name)


@pytest.mark.parametrize(
    "document", examples.DOCUMENTS, ids=lambda document: type(document).__name__
)
def test_the_stored_document_is_read_as_it_was_meant(document: Document) -> None:
    number = pack_document(document)[0][0]
    stored = json.dumps(SAMPLES["documents"][str(number)]).encode()
    assert read_document(bytes((number,)) + stored) == document


@pytest.mark.parametrize(
    "document", examples.DOCUMENTS, ids=lambda document: type(document).__name__
)
def test_the_same_document_is_packed_into_the_same_fields(document: Document) -> None:
    frame = pack_document(document)[0]
    assert json.loads(frame[1:]) == SAMPLES["documents"][str(frame[0])]
