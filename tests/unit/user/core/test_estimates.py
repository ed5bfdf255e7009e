from __future__ import annotations

import math

import pytest

from hxgrid.user.core.estimates import MAX_WINDOW, Estimate, window_of
from tests.unit.user.core.stage import SETTINGS


def measured(mean_s: float, count: int = 1000) -> Estimate:
    estimate = Estimate()
    estimate.add(mean_s * count, count)
    return estimate


def test_the_first_result_is_the_estimate() -> None:
    assert measured(3.0, 1).mean_s == 3.0


def test_later_results_count_more_than_early_ones() -> None:
    estimate = measured(1.0)
    estimate.add(2.0 * 400, 400)
    assert estimate.mean_s > 1.6


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -5.0, 1e300])
def test_nonsense_of_a_strange_clock_counts_as_no_time(nonsense: float) -> None:
    estimate = Estimate()
    estimate.add(nonsense, 1)
    assert estimate.mean_s == 0.0


def test_an_unknown_function_is_sent_ahead_once() -> None:
    assert window_of(4, None, 0.001, SETTINGS) == 5
    assert window_of(4, Estimate(), 0.001, SETTINGS) == 5


def test_long_tasks_are_sent_ahead_once_and_short_ones_once_per_slot() -> None:
    assert window_of(4, measured(60.0), 0.001, SETTINGS) == 5
    assert window_of(4, measured(0.5), 0.001, SETTINGS) == 8


def test_a_long_round_trip_asks_for_more_ahead() -> None:
    assert window_of(1, measured(0.01), 0.2, SETTINGS) == 1 + 40


def test_tiny_tasks_fill_the_window_but_not_more() -> None:
    assert window_of(2, measured(1e-7), 0.001, SETTINGS) == MAX_WINDOW
    assert window_of(1, measured(1e-7, 3), 0.001, SETTINGS) == 14


def test_a_task_is_expected_to_take_as_much_longer_as_it_costs_more() -> None:
    estimate = measured(2.0)
    estimate.add_costed(1.0, 4.0)
    estimate.add_costed(6.0, 24.0)

    assert estimate.expected_s(8.0) == pytest.approx(2.0)
    assert estimate.expected_s(None) == 2.0
    assert measured(2.0).expected_s(8.0) == 2.0


def test_a_large_task_is_not_sent_far_ahead() -> None:
    estimate = measured(0.001)
    estimate.add_costed(0.001, 1.0)

    assert window_of(1, estimate, 0.01, SETTINGS, 1.0) > 10
    assert window_of(1, estimate, 0.01, SETTINGS, 10_000.0) == 2
