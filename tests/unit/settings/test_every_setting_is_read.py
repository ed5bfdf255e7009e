"""A setting that nothing reads is a promise that nobody keeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hxgrid.settings import SECTIONS

ROOT = Path(__file__).parents[3]
ROOMS = {
    "user": ["hxgrid"],
    "agent": ["agent", "hxgrid"],
    "coordinator": ["coordinator", "hxgrid"],
}


def words_of(section: str) -> set[str]:
    words: set[str] = set()
    for room in ROOMS[section]:
        for path in (ROOT / room).rglob("*.py"):
            if "settings" not in path.relative_to(ROOT).parts:
                words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return words


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_setting_is_read_where_it_matters(section: str) -> None:
    assert set(SECTIONS[section].model_fields) - words_of(section) == set()
