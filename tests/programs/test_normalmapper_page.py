"""The preview of NormalMapper in a browser: the map fills up, and the mesh wears it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hxgrid_examples.normalmapper import generate
from hxgrid_examples.normalmapper.flags import Job
from hxgrid_examples.normalmapper.options import Options
from hxgrid_examples.normalmapper.picture import Picture
from hxgrid_examples.normalmapper.plan import Part, tile_grid
from hxgrid_examples.normalmapper.preview import Preview

from tests.harness.browser import open_browser
from tests.harness.wait import wait_until

pytestmark = [pytest.mark.system("chromium", "chromedriver"), pytest.mark.slow]
LIMIT_S = 60
SIZE = 64
# The colour of a pixel of the map's canvas, whose first row is the last of the map.
PIXEL = (
    "return Array.from(document.getElementById('map').getContext('2d')"
    ".getImageData(arguments[0], arguments[1], 1, 1).data)"
)
# What WebGL has drawn, as one number that differs where the picture does.
DRAWN = """
const scene = document.getElementById('scene'), copy = document.createElement('canvas');
draw();
copy.width = scene.width; copy.height = scene.height;
const pen = copy.getContext('2d'); pen.drawImage(scene, 0, 0);
const bytes = pen.getImageData(0, 0, copy.width, copy.height).data;
let sum = 0;
for (let i = 0; i < bytes.length; i++) sum = (sum * 31 + bytes[i]) >>> 0;
return sum
"""


def preview() -> Preview:
    job = Job(Path("l"), Path("h"), SIZE, SIZE, Path("map.png"), Options(has_occlusion=True))
    return Preview(generate.sheet(generate.sphere, 8, 6), job)


@pytest.fixture
def page() -> Iterator[Preview]:
    with preview() as made:
        yield made


@pytest.fixture
def browser(page: Preview, tmp_path: Path) -> Iterator[Any]:
    opened: Any  # the types of selenium leave its logs out
    with open_browser(tmp_path, 900, 700) as opened:
        opened.get(page.url)
        yield opened
        # Warnings are the driver's, about how fast a processor draws.
        assert [line for line in opened.get_log("browser") if line["level"] == "SEVERE"] == []


def picture(tilt: float) -> Picture:
    made = Picture.blank(SIZE, SIZE, Options(has_occlusion=True))
    made.normals[:] = (tilt, 0.0, 1.0)
    assert made.openness is not None
    made.openness[:] = 1.0
    return made


def status(browser: Any) -> str:
    return str(browser.find_element("id", "status").text)


def test_the_map_fills_up_and_the_mesh_wears_it(page: Preview, browser: Any) -> None:
    wait_until(lambda: "waiting" in status(browser), LIMIT_S, "the page")
    tiles = tile_grid(SIZE, SIZE, 32)
    page.placed(Part(tiles[:2], 1.0), picture(0.0), 0.5)
    wait_until(lambda: status(browser).startswith("50 %"), LIMIT_S, "half of the map")
    # The first two tiles are the lower half.
    assert browser.execute_script(PIXEL, 10, SIZE - 10) == [127, 127, 255, 255]
    assert browser.execute_script(PIXEL, 10, 10)[:3] == [0, 0, 0]
    half = browser.execute_script(DRAWN)
    page.finished(picture(0.5))
    wait_until(lambda: status(browser).startswith("done"), LIMIT_S, "the whole map")
    assert page.wait_until_seen(LIMIT_S)
    assert browser.execute_script(PIXEL, 10, 10)[0] > 127
    assert browser.execute_script(DRAWN) != half


def test_buttons_and_keys_change_what_is_shown(page: Preview, browser: Any) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.finished(picture(0.5))
    wait_until(lambda: status(browser).startswith("done"), LIMIT_S, "the whole map")
    seen = [browser.execute_script(DRAWN)]
    for look in ("plain", "normals", "openness"):
        browser.find_element("css selector", f"[data-look={look}]").click()
        seen.append(browser.execute_script(DRAWN))
    browser.find_element("id", "wire").click()
    seen.append(browser.execute_script(DRAWN))
    ActionChains(browser).send_keys(Keys.ARROW_LEFT).perform()
    seen.append(browser.execute_script(DRAWN))
    assert len(set(seen)) == len(seen)
    ActionChains(browser).send_keys("l").perform()
    assert browser.find_element("id", "light").get_attribute("aria-pressed") == "true"


def test_a_small_window_has_the_buttons_near_the_mesh(page: Preview, browser: Any) -> None:
    page.finished(picture(0.5))
    browser.set_window_size(600, 1000)
    wait_until(lambda: status(browser).startswith("done"), LIMIT_S, "the whole map")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 600
    places = [
        browser.execute_script(
            f"return document.getElementById('{name}').getBoundingClientRect().y"
        )
        for name in ("scene", "looks", "map")
    ]
    assert places == sorted(places)


def test_a_program_that_ends_leaves_what_it_sent(tmp_path: Path) -> None:
    with open_browser(tmp_path, 900, 700) as browser:
        with preview() as page:
            browser.get(page.url)
            page.placed(Part(tile_grid(SIZE, SIZE, 32), 1.0), picture(0.0), 0.9)
            wait_until(lambda: status(browser).startswith("90 %"), LIMIT_S, "most of the map")
        trouble = browser.find_element("id", "trouble")
        wait_until(lambda: "has ended" in trouble.text, LIMIT_S, "the word that it has ended")
        assert browser.execute_script(PIXEL, 10, 10) == [127, 127, 255, 255]
