from __future__ import annotations

from typing import Any

import pytest

from hxgrid.errors import ConfigError
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


def test_texts_and_lists_are_taken_for_what_they_mean() -> None:
    given = {"platforms": ["linux", "darwin"], "labels": "gpu"}
    assert Requirements.of(given) == Requirements(("linux", "darwin"), labels=frozenset({"gpu"}))
    assert Requirements.of(None) == Requirements()
    hash(Requirements.of(given))  # lanes are found by it


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"memory_bytes": "8 GB"}, "memory_bytes in requires= must be a number, not '8 GB'"),
        ({"platforms": 7}, "platforms in requires= must be texts, not 7"),
        ({"labels": [None]}, "labels in requires= must be texts, not None"),
        ({"python_version": 3.11}, "python_version in requires= must be a text, not 3.11"),
        ("gpu", "requires='gpu' is no mapping"),
        ({"memory_byte": 1}, "Did you mean memory_bytes"),
    ],
)
def test_what_cannot_be_meant_is_said_where_it_was_given(given: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Requirements.of(given)
    assert words in str(caught.value)
