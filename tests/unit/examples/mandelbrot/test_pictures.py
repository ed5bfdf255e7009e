"""Colours and charts."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot import gantt, palettes
from hxgrid_examples.mandelbrot.gantt import Span


@pytest.mark.parametrize("name", list(palettes.PALETTES))
def test_a_palette_goes_round_without_a_jump(name: str) -> None:
    table = palettes.palette(name).table().astype(int)
    assert table.shape == (palettes.COLOURS, 3)
    assert np.abs(table - np.roll(table, 1, axis=0)).max() <= 8


def test_an_unknown_palette_is_told_the_others() -> None:
    with pytest.raises(JobError, match="choose one of dusk"):
        palettes.palette("grey")


def test_colours_go_on_where_one_count_ends() -> None:
    counts = np.array([10, 11], dtype="<u4")
    # What is just outside after ten steps, or just inside: then |z|^2 is its square after eleven.
    norms = np.array([65536.0, 65536.0**2], dtype="<f4") * np.float32(1.000001)
    before, after = palettes.smooth(counts, norms)
    assert before == pytest.approx(after, abs=1e-5)


def test_points_inside_have_their_own_colour() -> None:
    counts = np.array([[5, 100]], dtype="<u4")
    norms = np.array([[70000.0, 0.0]], dtype="<f4")
    painted = palettes.paint(counts, norms, palettes.palette("ink"))
    assert painted[0, 1].tolist() == [0, 0, 0]
    assert painted[0, 0].tolist() != [0, 0, 0]


def test_a_chart_shows_idle_time() -> None:
    spans = [Span("pc<1>", 0, 10.0, 12.0), Span("pc<1>", 1, 10.0, 11.0)]
    assert gantt.idle_share(spans) == pytest.approx(0.25)
    drawing = ET.fromstring(gantt.charts([("columns", spans), ("tiles", [])]))
    texts = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert "columns: 25 % idle, 2.00 s" in texts
    assert "pc<1> 1" in texts
