"""The pi example with tasks in Python, C++ and Pascal: the same digits, also mixed in one job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hxgrid_examples.picalculator import app

import hxgrid

DIGITS = 90
EXPECTED = (
    "141592653589793238462643383279502884197169399375105820974944592307816406286208998628034825"
)
KINDS = [
    pytest.param(["python"]),
    pytest.param(["cpp"], marks=pytest.mark.system("g++")),
    pytest.param(["pascal"], marks=pytest.mark.system("fpc")),
    pytest.param(["cpp", "python", "pascal"], marks=pytest.mark.system("g++", "fpc")),
]


@pytest.fixture(scope="module")
def session() -> Iterator[hxgrid.Session]:
    with hxgrid.connect("local", slots=2) as made:
        yield made


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_all_kinds_give_the_same_digits(
    session: hxgrid.Session, tmp_path: Path, kinds: list[str]
) -> None:
    tasks = [app.find_task(kind, tmp_path) for kind in kinds]
    assert app.compute(session, DIGITS, tasks=tasks) == EXPECTED
