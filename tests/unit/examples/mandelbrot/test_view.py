"""Views: digits that follow the zoom, moving about, and sentences for what is wrong."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot.view import (
    GUARD_BITS,
    check_iterations,
    parse_centre,
    parse_size,
    parse_view,
)


def test_the_shorter_side_is_as_long_as_the_zoom_says() -> None:
    view = parse_view("0", "0", "0.25", 320, 200)
    assert view.half_step * 2 * 200 == 4


@pytest.mark.parametrize("zoom", ["0.25", "1e30", "1e300"])
def test_the_precision_follows_the_zoom(zoom: str) -> None:
    view = parse_view("-0.1", "1e-400", zoom, 200, 200)
    _, _, half_step = view.exact()
    assert half_step.bit_length() >= GUARD_BITS - 2
    assert view.fraction_bits < 3.33 * max(0, Decimal(zoom).adjusted()) + 90


def test_a_click_in_the_middle_only_comes_nearer() -> None:
    view = parse_view("0.125", "-0.5", "1e40", 200, 100)
    nearer = view.moved_to(100, 50, 2)
    assert (nearer.re, nearer.im, nearer.zoom) == (view.re, view.im, Decimal("2e40"))


def test_a_click_moves_the_centre_to_the_pixel() -> None:
    view = parse_view("0", "0", "1e50", 200, 100).moved_to(150, 25)
    assert (view.re, view.im) == (Decimal("5e-51"), Decimal("2.5e-51"))


def test_the_wheel_keeps_the_place_under_the_pointer() -> None:
    before = parse_view("0.3", "0.1", "1e25", 400, 300)
    after = before.zoomed_about(37, 250, 3)

    def place(view_x: Fraction, half_step: Fraction, x: int) -> Fraction:
        return view_x + (2 * x - 400) * half_step

    was = place(Fraction(before.re), before.half_step, 37)
    assert abs(place(Fraction(after.re), after.half_step, 37) - was) < before.half_step / 10**6


def test_zooming_in_and_out_again_comes_back() -> None:
    view = parse_view("-0.75", "0.1", "1e12", 640, 480)
    again = view.zoomed_about(10, 10, 4).zoomed_about(10, 10, 0.25)
    assert again.zoom == view.zoom
    assert abs(again.re - view.re) < Decimal("1e-20")


def test_the_way_out_ends_where_everything_is_seen() -> None:
    view = parse_view("0", "0", "0.06", 100, 100).zoomed_about(0, 0, 0.01)
    assert view.zoom == Decimal("0.05")


@pytest.mark.parametrize(
    ("re", "im", "zoom", "width", "height", "words"),
    [
        ("x", "0", "1", 10, 10, "'x', which is no number"),
        ("inf", "0", "1", 10, 10, "out of range"),
        ("0", "1e9999", "1", 10, 10, "out of range"),
        ("5000", "0", "1", 10, 10, "too far away"),
        ("0", "0", "-3", 10, 10, "the zoom must be"),
        ("0", "0", "1e4001", 10, 10, "the zoom must be"),
        ("0", "0", "1", 0, 10, "cannot be made"),
        ("0", "0", "1", 30_000, 30_000, "cannot be made"),
    ],
)
def test_what_is_wrong_is_said(
    re: str, im: str, zoom: str, width: int, height: int, words: str
) -> None:
    with pytest.raises(JobError, match=words):
        parse_view(re, im, zoom, width, height)


@pytest.mark.parametrize("text", ["1920", "1920x", "axb", "-5x5", "1x2x3", ""])
def test_a_size_is_two_numbers(text: str) -> None:
    with pytest.raises(JobError, match="WIDTHxHEIGHT"):
        parse_size(text)


@pytest.mark.parametrize("text", ["1", "1,2,3", ""])
def test_a_centre_is_two_numbers(text: str) -> None:
    with pytest.raises(JobError, match="RE,IM"):
        parse_centre(text)


@pytest.mark.parametrize("limit", [0, -1, 10**10])
def test_iterations_have_limits(limit: int) -> None:
    with pytest.raises(JobError, match="iterations go from 1"):
        check_iterations(limit)
