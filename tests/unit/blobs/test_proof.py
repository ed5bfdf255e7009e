"""Showing that one knows a session's ticket, without showing it."""

from __future__ import annotations

import pytest

from hxgrid.blobs.proof import is_proven, prove

TICKET, NEIGHBOUR, DIGEST = "a" * 32, "b" * 32, "c" * 64


def test_the_right_ticket_is_believed_and_does_not_show() -> None:
    proof = prove(TICKET, NEIGHBOUR, DIGEST, 7)
    assert is_proven(proof, TICKET, NEIGHBOUR, DIGEST, 7)
    assert TICKET not in proof


@pytest.mark.parametrize(
    ("ticket", "neighbour", "digest", "offset"),
    [
        ("0" * 32, NEIGHBOUR, DIGEST, 7),
        (TICKET, "0" * 32, DIGEST, 7),
        (TICKET, NEIGHBOUR, "0" * 64, 7),
        (TICKET, NEIGHBOUR, DIGEST, 8),
    ],
)
def test_a_proof_is_good_for_one_question_only(
    ticket: str, neighbour: str, digest: str, offset: int
) -> None:
    assert not is_proven(prove(TICKET, NEIGHBOUR, DIGEST, 7), ticket, neighbour, digest, offset)
