"""The window without a browser: who gets in, what is told, and cancelling."""

from __future__ import annotations

import http.client
import json
import struct
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from hxgrid_examples.mandelbrot.explorer import Explorer
from hxgrid_examples.mandelbrot.runners import Code
from hxgrid_examples.mandelbrot.view import parse_view
from hxgrid_examples.mandelbrot.window import Window

import hxgrid
from tests.harness.wait import wait_until

VIEW = parse_view("-0.5", "0", "0.3", 64, 48)
WISH = {
    "re": "-0.5",
    "im": "0",
    "zoom": "0.3",
    "width": 64,
    "height": 48,
    "iterations": 200,
    "method": "double",
}


class Page:
    """What a browser would be: asks the window of one explorer."""

    def __init__(self, window: Window) -> None:
        parts = urlsplit(window.url)
        self.host = parts.netloc
        self.root = parts.path

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        found = answer.status, answer.read(), dict(answer.headers)
        connection.close()
        return found

    def post(self, name: str, words: Any, **headers: str) -> tuple[int, Any]:
        headers = {"Content_Type": "application/json", **headers}
        status, body, _ = self.ask("POST", self.root + name, json.dumps(words), **headers)
        return status, json.loads(body) if body.startswith(b"{") else body

    def news(self, job: int = 0, first: int = 0) -> tuple[dict[str, Any], bytes]:
        status, body, _ = self.ask("GET", f"{self.root}news?job={job}&first={first}&busy=1")
        assert status == 200
        (size,) = struct.unpack_from("<I", body)
        return json.loads(body[4 : 4 + size]), body[4 + size :]

    def wait_idle(self) -> dict[str, Any]:
        facts = wait_until(lambda: f if not (f := self.news()[0])["isBusy"] else None, 60, "idle")
        assert facts is not None
        return facts


def no_grid() -> hxgrid.Session:
    raise hxgrid.NoGridFound("no grid answers")


@pytest.fixture
def page() -> Iterator[Page]:
    with Explorer(Code(), no_grid) as explorer, Window(explorer, VIEW, None) as window:
        yield Page(window)


def test_the_page_and_its_files_are_there(page: Page) -> None:
    for name, kind in [
        ("", "text/html"),
        ("main.js", "text/javascript"),
        ("style.css", "text/css"),
    ]:
        status, body, headers = page.ask("GET", page.root + name)
        assert (status, headers["Content-Type"].split(";")[0]) == (200, kind)
        assert body
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_nothing_is_fetched_from_elsewhere(page: Page) -> None:
    for name in ("", "main.js", "picture.js", "panel.js", "server.js", "style.css", "icon.svg"):
        body = page.ask("GET", page.root + name)[1].replace(b"http://www.w3.org/2000/svg", b"")
        assert b"http" not in body


def test_strangers_get_nothing(page: Page) -> None:
    assert page.ask("GET", "/wrong/news")[0] == 403
    assert page.ask("GET", page.root, Origin="http://example.com")[0] == 403
    assert page.post("draw", WISH, Origin="http://example.com")[0] == 403
    assert page.ask("GET", page.root + "../app.py")[0] == 404


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"zoom": "x"}, "no number"),
        ({"width": 10**9}, "cannot be made"),
        ({"width": "wide"}, "nonsense"),
        ({"iterations": -1}, "iterations go from 1"),
        ({"method": "fast"}, "no method"),
        ({"cut": "rows"}, "not into 'rows'"),
        ({"move": {"kind": "to", "x": "a", "y": 0, "factor": 1}}, "nonsense"),
        ({"move": {"kind": "to", "x": 0, "y": 0, "factor": 0}}, "nonsense"),
        ({"move": [1]}, "nonsense"),
        ({"re": None}, "no number"),
    ],
)
def test_what_cannot_be_drawn_is_said(page: Page, change: dict[str, Any], sentence: str) -> None:
    status, answer = page.post("draw", {**WISH, **change})
    assert status == 400
    assert sentence in answer["error"]


def test_a_picture_arrives_in_tiles(page: Page) -> None:
    status, began = page.post("draw", WISH)
    assert status == 200
    page.wait_idle()
    facts, points = page.news(began["job"])
    shown = np.zeros((48, 64), int)
    at = 0
    for x0, y0, x1, y1, stride, agent, slot in facts["tiles"]:
        assert (agent, slot >= 0) == ("this computer", True)
        count = -(-(x1 - x0) // stride) * -(-(y1 - y0) // stride)
        assert max(np.frombuffer(points, "<u4", count, at)) <= 200
        at += 8 * count
        if stride == 1:
            shown[y0:y1, x0:x1] += 1
    assert at == len(points)
    assert (shown == 1).all()
    # What is known is not sent again.
    assert page.news(began["job"], len(facts["tiles"]))[0]["tiles"] == []


def test_a_click_is_a_move_of_the_view(page: Page) -> None:
    move = {"kind": "to", "x": 48, "y": 12, "factor": 2}
    _, answer = page.post("draw", {**WISH, "zoom": "1e40", "move": move})
    assert Decimal(answer["zoom"]) == Decimal("2e40")
    assert Decimal(answer["re"]) + Decimal("0.5") == pytest.approx(Decimal("3.333333333e-41"))


def test_without_a_grid_it_searches_and_says_so(page: Page) -> None:
    _, began = page.post("draw", {**WISH, "method": "grid"})
    facts, _ = page.news(began["job"])
    assert not facts["isConnected"]
    assert (facts["agents"], facts["isBusy"], facts["stage"]) == (0, True, "")
    page.post("cancel", {})
    assert not page.wait_idle()["error"]


def test_cancel_ends_a_picture_that_would_take_days(page: Page) -> None:
    long = {**WISH, "iterations": 10**9, "re": "-0.1528", "im": "1.0397", "zoom": "500"}
    page.post("draw", {**long, "method": "exact"})
    # The coarse picture is there within milliseconds; what comes after it is what would take days.
    wait_until(
        lambda: page.news()[0]["stage"] == "drawing",
        60,
        "the long part of the work to begin",
        seen=lambda: page.news()[0],
    )
    status, answer = page.post("cancel", {})
    assert status == 200
    assert answer["seconds"] < 10
    assert not page.news()[0]["isBusy"]


def test_a_newer_wish_ends_the_older_one(page: Page) -> None:
    page.post("draw", {**WISH, "iterations": 10**9, "method": "exact"})
    _, began = page.post("draw", WISH)
    page.wait_idle()
    facts, points = page.news(began["job"])
    assert facts["job"] == began["job"]
    assert points


def test_a_grid_that_comes_later_is_used() -> None:
    may_come = threading.Event()

    def connect() -> Any:
        if not may_come.is_set():
            may_come.set()
            raise hxgrid.NoGridFound("no grid answers")
        return hxgrid.connect("inline")

    with Explorer(Code("python"), connect) as explorer:
        number = explorer.draw(VIEW, 50)
        wait_until(lambda: not explorer.news(number, 0, -1, 0.1).facts["isBusy"], 60, "the picture")
        assert {sent.placement for sent in explorer.news(number, 0, -1, 0).tiles}
