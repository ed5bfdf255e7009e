"""The Mandelbrot window in a browser: hands, keys, cancelling, saving, and who draws what."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hxgrid_examples.mandelbrot.explorer import Explorer
from hxgrid_examples.mandelbrot.runners import Code
from hxgrid_examples.mandelbrot.view import parse_view
from hxgrid_examples.mandelbrot.window import Window

import hxgrid
from tests.harness.browser import open_browser
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [
    pytest.mark.system("chromium", "chromedriver"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
LIMIT_S = 120
# On the boundary, and as deep as long numbers make everything slow.
DAYS = {"re": "-0.1528", "im": "1.0397", "zoom": "1e18"}


class Hands:
    """The page as a person has it."""

    def __init__(self, browser: Chrome, downloads: Path) -> None:
        self.browser = browser
        self.downloads = downloads

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = self.browser.execute_script(
            "const value = (id) => document.getElementById(id).value;"
            "return {re: value('re'), im: value('im'), zoom: value('zoom'),"
            " iterations: value('iterations'), busy: document.body.dataset.busy,"
            " job: document.body.dataset.job, says: document.getElementById('says').textContent,"
            " connection: document.getElementById('connection').textContent,"
            " toast: document.getElementById('toast').textContent,"
            " width: document.getElementById('picture').width,"
            " height: document.getElementById('picture').height}"
        )
        return found

    def idle(self, after: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait until the picture after that one is whole."""

        def is_idle() -> dict[str, Any] | None:
            facts = self.facts()
            is_next = after is None or facts["job"] != after["job"]
            return facts if is_next and facts["busy"] == "false" else None

        found = wait_until(is_idle, LIMIT_S, "a whole picture", seen=self.facts)
        assert found is not None
        return found

    def actions(self) -> Any:
        from selenium.webdriver import ActionChains

        return ActionChains(self.browser)

    def stage(self) -> Any:
        return self.browser.find_element("id", "stage")

    def keys(self, text: str) -> None:
        self.actions().send_keys(text).perform()

    def type_in(self, name: str, text: str) -> None:
        self.browser.execute_script(
            "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
            " field.dispatchEvent(new Event('change'))",
            name,
            text,
        )

    def complaints(self) -> list[Any]:
        browser: Any = self.browser  # its types leave this one out
        found: list[Any] = browser.get_log("browser")
        return found


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hands]:
    downloads = tmp_path_factory.mktemp("downloads")
    view = parse_view("-0.5", "0", "0.3", 100, 100)
    with (
        Explorer(Code(), lambda: hxgrid.connect("local", slots=2)) as explorer,
        Window(explorer, view, 300, is_local=True) as window,
        open_browser(downloads, 900, 700) as browser,
    ):
        browser.get(window.url)
        made = Hands(browser, downloads)
        made.idle()
        yield made
        assert made.complaints() == []


def test_the_first_picture_is_the_one_that_was_asked_for(hands: Hands) -> None:
    facts = hands.facts()
    assert (facts["re"], facts["im"], facts["zoom"], facts["iterations"]) == (
        *("-0.5", "0", "0.3", "300"),
    )
    assert "1 agent, 2 slots" in facts["connection"]
    assert "points in" in facts["says"]


def test_a_click_comes_nearer_and_back_goes_back(hands: Hands) -> None:
    before = hands.idle()
    hands.actions().move_to_element_with_offset(hands.stage(), 60, -90).click().perform()
    after = hands.idle(before)
    assert Decimal(after["zoom"]) == 2 * Decimal(before["zoom"])
    assert Decimal(after["re"]) > Decimal(before["re"])
    assert Decimal(after["im"]) > Decimal(before["im"])
    hands.keys("\ue003")  # Backspace
    again = hands.idle(after)
    assert (again["re"], again["im"], again["zoom"]) == (
        *(before["re"], before["im"], before["zoom"]),
    )


def test_dragging_takes_the_part_in_the_frame(hands: Hands) -> None:
    before = hands.idle()
    chain = hands.actions().move_to_element_with_offset(hands.stage(), -200, -100).click_and_hold()
    chain.move_by_offset(90, 60).release().perform()
    after = hands.idle(before)
    wide, high = before["width"] / 90, before["height"] / 60
    assert float(after["zoom"]) == pytest.approx(float(before["zoom"]) * min(wide, high), rel=0.05)


def test_the_wheel_zooms_and_keys_move(hands: Hands) -> None:
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    before = hands.idle()
    origin = ScrollOrigin.from_element(hands.stage(), 40, 40)
    hands.actions().scroll_from_origin(origin, 0, -300).perform()
    after = hands.idle(before)
    assert float(after["zoom"]) > 1.5 * float(before["zoom"])
    hands.keys("\ue014")  # to the right
    moved = hands.idle(after)
    assert Decimal(moved["re"]) > Decimal(after["re"])
    assert moved["zoom"] == after["zoom"]
    hands.keys("]")
    assert hands.idle(moved)["iterations"] == "600"


def test_what_is_typed_wrong_is_said_and_put_right(hands: Hands) -> None:
    before = hands.idle()
    hands.type_in("zoom", "deep")
    wait_until(lambda: "no number" in hands.facts()["toast"], 20, "the sentence")
    assert hands.facts()["zoom"] == before["zoom"]
    complaints = hands.complaints()  # the browser itself notes an answer of 400
    assert len(complaints) == 1
    assert "400" in complaints[0]["message"]


def test_saving_gives_the_picture_that_is_seen(hands: Hands) -> None:
    facts = hands.idle()
    hands.keys("s")
    path = wait_until(lambda: next(hands.downloads.glob("*.png"), None), 30, "the file")
    assert path is not None
    assert path.name == f"mandelbrot-{facts['zoom']}.png"
    columns, rows, colours = decoded(path.read_bytes())
    assert (columns, rows) == (facts["width"], facts["height"])
    assert colours > 50


# A number that differs where what a canvas shows does.
DRAWN = """
const canvas = document.getElementById(arguments[0]), copy = document.createElement('canvas');
copy.width = canvas.width; copy.height = canvas.height;
const pen = copy.getContext('2d', { willReadFrequently: true }); pen.drawImage(canvas, 0, 0);
const bytes = pen.getImageData(0, 0, copy.width, copy.height).data;
let sum = 0;
for (let i = 0; i < bytes.length; i += 4) sum = (sum * 31 + bytes[i] + 7 * bytes[i + 2]) >>> 0;
return sum
"""


def test_palettes_and_relief_change_the_picture_and_not_the_place(hands: Hands) -> None:
    before = hands.idle()
    seen = {hands.browser.execute_script(DRAWN, "picture")}
    for number in range(1, 8):  # the seventh is the first again
        hands.keys("p")
        seen.add(hands.browser.execute_script(DRAWN, "picture"))
        assert len(seen) == min(number + 1, 7)
    hands.keys("r")
    assert hands.browser.execute_script(DRAWN, "picture") not in seen
    hands.keys("r")
    assert hands.facts()["job"] == before["job"]


def test_the_map_of_agents_is_there_as_long_as_it_is_wanted(hands: Hands) -> None:
    hands.idle()
    wait_until(lambda: hands.browser.execute_script(DRAWN, "overlay") == 0, 20, "the glow to end")
    hands.keys("m")
    assert hands.browser.execute_script(DRAWN, "overlay") != 0
    (row,) = hands.browser.find_elements("css selector", "#legend li")
    assert row.text.splitlines()[0].startswith("local")
    hands.keys("m")
    assert hands.browser.execute_script(DRAWN, "overlay") == 0


def test_a_small_window_shows_the_picture_first(hands: Hands) -> None:
    size = hands.browser.get_window_size()
    hands.browser.set_window_size(600, 900)
    try:
        hands.browser.refresh()
        hands.idle()
        width = hands.browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= 600
        panel = hands.browser.find_element("id", "panel")
        assert not panel.is_displayed()
        hands.browser.find_element("id", "more").click()
        wait_until(panel.is_displayed, LIMIT_S, "the panel to have slid in")
    finally:
        hands.browser.set_window_size(size["width"], size["height"])
        hands.browser.refresh()
        hands.idle()


def test_without_a_grid_the_window_says_that_it_searches(tmp_path: Path) -> None:
    def nowhere() -> hxgrid.Session:
        raise hxgrid.NoGridFound("nobody answers")

    view = parse_view("-0.5", "0", "0.3", 100, 100)
    with (
        Explorer(Code(), nowhere) as explorer,
        Window(explorer, view, 300) as window,
        open_browser(tmp_path, 900, 700) as browser,
    ):
        browser.get(window.url)
        hands = Hands(browser, tmp_path)
        wait_until(
            lambda: (
                hands.facts()["connection"] == "searching for coordinator"
                and hands.facts()["says"].endswith("waiting for a grid")
            ),
            LIMIT_S,
            "the word that there is no grid",
            seen=hands.facts,
        )


def test_cancel_stops_at_once(hands: Hands) -> None:
    from selenium.webdriver.support.ui import Select

    hands.idle()
    Select(hands.browser.find_element("id", "method")).select_by_value("grid-exact")
    # First, because it is for the picture that is shown.
    hands.type_in("iterations", "900000000")
    for name, text in DAYS.items():
        hands.type_in(name, text)
    wait_until(lambda: hands.facts()["says"].startswith("zoom 1 · 10^18 · a first"), 60, "work")
    # Who has which tile is told meanwhile, and how far it is.
    legend = hands.browser.find_element("id", "legend")
    wait_until(lambda: " now" in legend.text, 60, "an agent with a tile", seen=lambda: legend.text)
    bar = hands.browser.find_element("id", "bar")
    assert bar.get_attribute("class") == "busy"
    assert bar.get_attribute("aria-valuenow") != ""
    hands.browser.find_element("id", "cancel").click()
    wait_until(lambda: "nothing runs any more" in hands.facts()["toast"], 20, "the end")
    wait_until(lambda: hands.facts()["busy"] == "false", 20, "the page to know")
    assert hands.browser.find_element("id", "cancel").is_displayed() is False


def decoded(data: bytes) -> tuple[int, int, int]:
    """Return columns, rows, and how many different bytes the lines of a PNG have."""
    at, body, columns, rows = 8, b"", 0, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, part = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            columns, rows = (int.from_bytes(part[i : i + 4], "big") for i in (0, 4))
        body += part if kind == b"IDAT" else b""
        at += 12 + size
    return columns, rows, len(np.unique(np.frombuffer(zlib.decompress(body), np.uint8)))
