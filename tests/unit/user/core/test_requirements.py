from __future__ import annotations

import pytest

from hxgrid.user.core.requirements import Requirements
from tests.unit.user.core.stage import LINUX


@pytest.mark.parametrize(
    "met",
    [
        Requirements(),
        Requirements(platforms=("win32", "linux"), machine="x86_64"),
        Requirements(python_implementation="CPython", python_version="3.11"),
        Requirements(memory_bytes=8_000_000_000, processors=4),
    ],
)
def test_what_is_met_gives_no_sentence(met: Requirements) -> None:
    assert met.unmet_by(LINUX) == ""


@pytest.mark.parametrize(
    ("unmet", "word"),
    [
        (Requirements(platforms=("win32",)), "win32"),
        (Requirements(machine="arm64"), "arm64"),
        (Requirements(python_implementation="PyPy"), "PyPy"),
        (Requirements(python_version="3.1"), "3.1"),
        (Requirements(memory_bytes=9_000_000_000), "9000000000"),
        (Requirements(processors=5), "5 processors"),
        (Requirements(labels=frozenset({"gpu"})), "gpu"),
    ],
)
def test_what_is_not_met_is_named(unmet: Requirements, word: str) -> None:
    assert word in unmet.unmet_by(LINUX)


def test_equal_requirements_are_one_key() -> None:
    assert len({Requirements(processors=2), Requirements(processors=2)}) == 1
