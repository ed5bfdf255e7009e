"""Fetching one blob: whom to ask, from where, and when to give up on a source."""

from __future__ import annotations

from hxgrid.blobs.fetch import FIRST_PAUSE_S, LONGEST_PAUSE_S, Fetch


def fetch(*sources: str, size: int = 100) -> Fetch:
    return Fetch("d" * 64, size, sources, stall_after_s=1.0)


def test_the_first_source_is_asked_and_pieces_are_taken_in_order() -> None:
    state = fetch("neighbour", "user")
    assert state.next_source(0.0) == "neighbour"
    state.asked(7, 0.0)
    assert state.next_source(0.1) is None
    assert state.take(7, 0, 60, 0.2)
    assert state.take(7, 60, 40, 0.3)
    assert state.is_complete


def test_a_piece_of_another_request_or_offset_is_not_taken() -> None:
    state = fetch("user")
    state.asked(7, 0.0)
    assert not state.take(6, 0, 10, 0.1)
    assert not state.take(7, 10, 10, 0.1)
    assert not state.take(7, 0, 101, 0.1)
    assert state.offset == 0


def test_after_a_failed_neighbour_the_user_is_asked_from_where_it_stopped() -> None:
    state = fetch("neighbour", "user")
    state.asked(1, 0.0)
    assert state.take(1, 0, 30, 0.1)
    state.failed(0.2)
    assert state.next_source(0.2) == "user"
    state.asked(2, 0.2)
    assert state.take(2, 30, 70, 0.3)
    assert state.is_complete


def test_the_last_source_is_asked_again_after_growing_pauses() -> None:
    state = fetch("user")
    now = 0.0
    pauses = []
    for request in range(8):
        assert state.next_source(now) == "user"
        state.asked(request, now)
        state.failed(now)
        assert state.next_source(now) is None
        pauses.append(state.pause_until - now)
        now = state.pause_until
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pauses == sorted(pauses)


def test_a_silent_source_is_stalled_and_progress_resets_that() -> None:
    state = fetch("user")
    state.asked(1, 0.0)
    assert state.next_deadline() == 1.0
    assert not state.is_stalled(0.9)
    assert state.take(1, 0, 10, 0.9)
    assert not state.is_stalled(1.5)
    assert state.is_stalled(2.0)


def test_damage_begins_again_from_the_first_byte() -> None:
    state = fetch("neighbour", "user")
    state.asked(1, 0.0)
    assert state.take(1, 0, 100, 0.1)
    state.start_again(0.2)
    assert state.offset == 0
    assert state.next_source(0.2) == "user"


def test_new_sources_come_before_the_known_ones() -> None:
    state = fetch("user")
    state.add_sources(["near", "user"])
    assert state.next_source(0.0) == "near"
