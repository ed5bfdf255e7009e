"""Fetching one blob: whom to ask, from where, and when to give up on a source."""

from __future__ import annotations

from hxgrid.blobs.fetch import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    NEIGHBOUR_STALL_S,
    SLOW_SPAN_S,
    SLOWEST_BYTES_PER_S,
    STARVED_S,
    STARVED_SPAN_S,
    Fetch,
)


def fetch(*users: str, size: int = 100) -> Fetch:
    return Fetch("d" * 64, size, users, stall_after_s=10.0)


def referred(*neighbours: str, size: int = 100) -> Fetch:
    """A fetch whose user has named neighbours, the first of which was asked at 0 s."""
    state = fetch("user", size=size)
    state.asked(1, 0.0)
    state.refer(neighbours, 0.0)
    state.asked(2, 0.0)
    return state


def test_the_user_is_asked_and_pieces_are_taken_in_order() -> None:
    state = fetch("user")
    assert state.next_source(0.0) == "user"
    state.asked(7, 0.0)
    assert not state.asks_neighbour
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


def test_a_neighbour_that_the_user_names_is_asked_at_once() -> None:
    state = fetch("user")
    state.asked(1, 0.0)
    state.refer(["near"], 0.1)
    assert state.next_source(0.1) == "near"
    state.asked(2, 0.1)
    assert state.asks_neighbour
    assert state.take(2, 0, 100, 0.2)


def test_after_a_failed_neighbour_the_user_is_asked_from_where_it_stopped() -> None:
    state = referred("near")
    assert state.take(2, 0, 30, 0.1)
    state.failed(0.2)
    assert state.failed_neighbours == ["near"]
    assert state.next_source(0.2) == "user"
    state.asked(3, 0.2)
    assert state.take(3, 30, 70, 0.3)
    assert state.is_complete


def test_a_neighbour_that_has_failed_is_not_asked_again_though_it_is_named() -> None:
    state = referred("near", "far")
    state.failed(0.1)
    assert state.next_source(0.1) == "far"
    state.asked(3, 0.1)
    state.failed(0.2)
    state.asked(4, 0.2)
    state.refer(["near", "far"], 0.3)
    assert state.next_source(0.3) is None  # a pause, or they would go on for ever
    assert state.next_source(state.pause_until) == "user"


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


def test_a_silent_user_is_stalled_and_progress_resets_that() -> None:
    state = fetch("user")
    state.asked(1, 0.0)
    assert state.next_deadline() == 10.0
    assert not state.is_stalled(9.9)
    assert state.take(1, 0, 10, 9.9)
    assert not state.is_stalled(15.0)
    state.heard(15.0)
    assert not state.is_stalled(24.9)
    assert state.is_stalled(25.0)


def test_a_silent_neighbour_is_left_much_sooner() -> None:
    state = referred("near")
    assert not state.is_stalled(NEIGHBOUR_STALL_S - 0.01)
    assert state.is_stalled(NEIGHBOUR_STALL_S)


def test_a_neighbour_without_anything_to_send_is_given_time_but_not_for_ever() -> None:
    state = referred("near", size=10**9)
    now = 0.0
    while not state.is_stalled(now):
        now += 0.25
        state.heard(now)
    assert STARVED_S <= now < STARVED_S + 0.5


def test_a_neighbour_that_trickles_is_left() -> None:
    state = referred("near", size=10**9)
    now = 0.0
    while not state.is_stalled(now):
        now += 0.25
        assert state.take(2, state.offset, int(SLOWEST_BYTES_PER_S * 0.2), now)
        assert now < 2 * SLOW_SPAN_S
    assert now >= SLOW_SPAN_S


def test_a_neighbour_that_is_fast_enough_is_kept() -> None:
    state = referred("near", size=10**9)
    for step in range(1, 100):
        assert state.take(2, state.offset, int(SLOWEST_BYTES_PER_S * 0.3), step * 0.25)
        assert not state.is_stalled(step * 0.25)


def test_a_slow_user_is_kept_because_there_is_nobody_behind_it() -> None:
    state = fetch("user", size=10**9)
    state.asked(1, 0.0)
    for step in range(1, 100):
        assert state.take(1, state.offset, 10, step * 1.0)
        assert not state.is_stalled(step * 1.0)


def test_damage_begins_again_from_what_was_right() -> None:
    state = referred("near")
    assert state.take(2, 0, 100, 0.1)
    state.start_again(0.2, 60)
    assert state.offset == 60
    assert state.next_source(0.2) == "user"
    assert state.failed_neighbours == ["near"]


def test_a_source_that_is_lost_through_nobodys_fault_is_asked_again() -> None:
    state = fetch("user")
    state.asked(1, 0.0)
    state.interrupted(0.5)
    assert state.next_source(0.5) == "user"


def test_new_users_come_before_the_known_ones() -> None:
    state = fetch("user")
    state.add_users(["other", "user"])
    assert state.next_source(0.0) == "other"


def test_a_wrong_chunk_is_blamed_on_who_has_sent_it_and_not_on_who_sends_now() -> None:
    state = referred("liar", size=1000)
    assert state.take(2, 0, 300, 0.1)
    state.failed(0.2)
    state.asked(3, 0.2)
    state.refer(["honest"], 0.3)
    state.asked(4, 0.3)
    assert state.take(4, 300, 200, 0.4)
    state.start_again(0.5, 100, 200)
    assert state.failed_neighbours == ["liar"]
    assert state.offset == 100
    assert state.next_source(0.5) == "honest"


def test_a_neighbour_that_trickles_and_says_that_it_has_nothing_is_left_later() -> None:
    state = referred("near", size=10**9)
    now = 0.0
    while not state.is_stalled(now):
        now += 0.25
        assert state.take(2, state.offset, 100, now)
        state.heard(now)
    assert STARVED_SPAN_S <= now < STARVED_SPAN_S + 0.5
