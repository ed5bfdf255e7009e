"""Colours, PNG files and charts."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot import gantt, palettes
from hxgrid_examples.mandelbrot.gantt import Span
from hxgrid_examples.mandelbrot.png import encode_png


def chunks(data: bytes) -> dict[bytes, bytes]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        found[kind] = body
        at += 12 + size
    return found


def test_a_png_holds_the_picture_and_the_words() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    found = chunks(encode_png(picture, {"Zoom": "1e30"}))
    assert struct.unpack(">2I5B", found[b"IHDR"]) == (7, 5, 8, 2, 0, 0, 0)
    assert found[b"tEXt"] == b"Zoom\x001e30"
    lines = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(5, 22)
    assert (lines[:, 0] == 2).all()
    rows = np.cumsum(lines[:, 1:].astype(int), axis=0) % 256
    assert np.array_equal(rows.reshape(5, 7, 3), picture)


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
