"""Who gets which bytes of a session."""

from __future__ import annotations

import pytest

from hxgrid.user.blobs import BlobShelf
from tests.unit.user.fake_agent import ask_blob

TICKET = "a" * 32
DIGEST = "b" * 64


@pytest.fixture
def shelf() -> BlobShelf:
    return BlobShelf(TICKET)


def test_a_blob_is_served_to_who_shows_the_ticket(shelf: BlobShelf) -> None:
    shelf.add(DIGEST, b"content")
    answer, content = shelf.answer(ask_blob(DIGEST, TICKET, request=9))
    assert (answer.request, answer.found, answer.bytes, content) == (9, True, 7, b"content")


def test_b32_nothing_else_is_served(shelf: BlobShelf) -> None:
    """B32: a request names a digest, never a path; and nobody without the ticket gets that."""
    shelf.add(DIGEST, b"content")
    for request in (
        ask_blob(DIGEST, "c" * 32),
        ask_blob("d" * 64, TICKET),
        ask_blob(DIGEST, TICKET, offset=8),
    ):
        answer, content = shelf.answer(request)
        assert not answer.found
        assert answer.text
        assert content is None


def test_what_is_held_leaves_with_its_last_holder(shelf: BlobShelf) -> None:
    shelf.hold(DIGEST, b"x")
    shelf.hold(DIGEST, b"x")
    shelf.release(DIGEST)
    assert shelf.answer(ask_blob(DIGEST, TICKET))[0].found
    shelf.release(DIGEST)
    shelf.release(DIGEST)
    assert not shelf.answer(ask_blob(DIGEST, TICKET))[0].found


def test_files_of_functions_stay_whoever_held_them_too(shelf: BlobShelf) -> None:
    shelf.hold(DIGEST, b"x")
    shelf.add(DIGEST, b"x")
    shelf.release(DIGEST)
    assert shelf.answer(ask_blob(DIGEST, TICKET))[0].found


def test_the_end_of_a_session_leaves_nothing(shelf: BlobShelf) -> None:
    shelf.hold(DIGEST, b"x")
    shelf.add("c" * 64, b"y")
    shelf.clear()
    shelf.release(DIGEST)
    for digest in (DIGEST, "c" * 64):
        assert not shelf.answer(ask_blob(digest, TICKET))[0].found
