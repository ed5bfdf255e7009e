"""The page's server: what it tells, and whom."""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from hxgrid_examples.normalmapper import corners, generate, preview
from hxgrid_examples.normalmapper.flags import Job
from hxgrid_examples.normalmapper.options import Options
from hxgrid_examples.normalmapper.picture import Picture
from hxgrid_examples.normalmapper.plan import Part, tile_grid

WIDTH, HEIGHT = 8, 6


@pytest.fixture
def job() -> Job:
    options = Options(has_occlusion=True)
    return Job(Path("l"), Path("h"), WIDTH, HEIGHT, Path("map.png"), options)


@pytest.fixture
def page(job: Job) -> Iterator[preview.Preview]:
    with preview.Preview(generate.sheet(generate.plane, 2, 2), job) as made:
        yield made


def get(page: preview.Preview, name: str, **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(page.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}{name}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def since(page: preview.Preview, index: int) -> tuple[dict[str, Any], bytes]:
    status, body = get(page, f"map?{index}")
    assert status == 200
    (size,) = struct.unpack_from("<I", body)
    return json.loads(body[4 : 4 + size]), body[4 + size :]


def picture(job: Job) -> Picture:
    made = Picture.blank(WIDTH, HEIGHT, job.options)
    made.normals[:] = (0, 0, 3)  # a sum, as tasks give it
    assert made.openness is not None
    made.openness[:] = 0.5
    return made


def test_tiles_arrive_once_and_in_order(page: preview.Preview, job: Job) -> None:
    tiles = tile_grid(WIDTH, HEIGHT, 4)
    page.placed(Part(tiles[:2], 1.0), picture(job), 0.5)
    facts, pixels = since(page, 0)
    assert facts["rectangles"] == tiles[:2].tolist()
    assert (facts["next"], facts["share"], facts["isDone"]) == (2, 0.5, False)
    assert pixels == bytes([127, 127, 255, 127]) * (2 * 16)
    page.placed(Part(tiles[2:], 1.0), picture(job), 1.0)
    facts, _ = since(page, 2)
    assert facts["rectangles"] == tiles[2:].tolist()


def test_what_nothing_was_found_for_stays_empty(page: preview.Preview, job: Job) -> None:
    made = picture(job)
    made.normals[:, :4] = 0
    page.placed(Part(tile_grid(WIDTH, HEIGHT, 8), 1.0), made, 1.0)
    _, pixels = since(page, 0)
    assert np.frombuffer(pixels, np.uint8).reshape(HEIGHT, WIDTH, 4)[:, :4, :3].max() == 0


def test_the_finished_map_comes_whole_and_the_program_knows(
    page: preview.Preview, job: Job
) -> None:
    page.finished(picture(job))
    assert not page.wait_until_seen(0)
    facts, pixels = since(page, 0)
    assert facts["isDone"]
    assert len(pixels) == 4 * WIDTH * HEIGHT
    assert page.wait_until_seen(30)


def test_much_is_sent_in_pieces(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    monkeypatch.setattr(preview, "MOST_BYTES", 100)
    with preview.Preview(generate.sheet(generate.plane, 2, 2), job) as page:
        page.placed(Part(tile_grid(WIDTH, HEIGHT, 4), 1.0), picture(job), 1.0)
        found, index = [], 0
        while index < 4:
            facts, _ = since(page, index)
            assert facts["next"] > index
            found += facts["rectangles"]
            index = facts["next"]
        assert found == tile_grid(WIDTH, HEIGHT, 4).tolist()


def test_the_page_needs_nothing_from_elsewhere(page: preview.Preview) -> None:
    for name in ("", "main.js", "style.css"):
        status, body = get(page, name)
        assert status == 200
        assert b"http:" not in body
        assert b"https:" not in body


def test_only_what_there_is_is_answered(page: preview.Preview) -> None:
    for name in ("nothing", "map", "map?-1", "map?x", "map?\u00b2"):
        assert get(page, quote(name, safe="?-"))[0] == 404
    assert get(page, "mesh", Host="evil.example")[0] == 403


def test_the_mesh_has_a_row_for_each_corner(page: preview.Preview) -> None:
    _, body = get(page, "mesh")
    rows = np.frombuffer(body, "<f4").reshape(-1, 14)
    assert len(rows) == 8 * 3


@pytest.mark.parametrize("shape", ["plane", "sphere"])
def test_frames_are_unit_and_across_the_normal(shape: str) -> None:
    table = corners.corner_table(generate.sheet(generate.SHAPES[shape], 12, 8)).astype(float)
    tangent, binormal, normal = table[:, 3:6], table[:, 6:9], table[:, 9:12]
    for direction in (tangent, binormal):
        assert np.allclose(np.linalg.norm(direction, axis=1), 1, atol=1e-5)
        assert np.abs((direction * normal).sum(axis=1)).max() < 1e-5


def test_on_a_plane_u_and_v_grow_along_the_sides() -> None:
    table = corners.corner_table(generate.sheet(generate.plane, 3, 3))
    assert np.allclose(table[:, 3:6], (1, 0, 0), atol=1e-6)
    assert np.allclose(table[:, 6:9], (0, 0, -1), atol=1e-6)
