"""What an object is, said alike in every run of a program."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxgrid.modules.identity import NoIdentity, identity_of

PROGRAM = """
import dataclasses, enum, functools, sys
from hxgrid.modules.identity import identity_of

SCALE = {"a": 1, "b": 2}
NAMES = {"red", "green", "blue", "white", "black"}

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

@dataclasses.dataclass
class Point:
    x: float
    y: float
    tags: frozenset = frozenset({"one", "two", "three"})

    def length(self):
        return (self.x ** 2 + self.y ** 2) ** 0.5

def helper(value):
    return value * SCALE["b"] + len(NAMES)

def outer(factor):
    def inner(value, *, offset=Point(1, 2)):
        return helper(value) * factor if value in {"p", "q", "r"} else Colour.RED
    return inner

things = [outer(3), functools.partial(outer(4), 1), Point(3, 4), Point(1, 2).length, Colour.BLUE,
          {"x": [1, 2.5, None, "t"], "y": NAMES}, lambda: sys.version]
for thing in things:
    print(identity_of(thing)[0].hex())
"""


def _digests_in_a_new_process(path: Path, hash_seed: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, path],
        env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.split()


def test_the_same_program_gives_the_same_digests_in_another_run(tmp_path: Path) -> None:
    first, moved = tmp_path / "first.py", tmp_path / "moved.py"
    first.write_text(PROGRAM)
    moved.write_text("# a comment that moves\n# every line\n" + PROGRAM)

    digests = _digests_in_a_new_process(first, "1")

    assert len(set(digests)) == 7
    assert digests == _digests_in_a_new_process(first, "2")
    assert digests == _digests_in_a_new_process(moved, "3")


def test_a_changed_helper_constant_or_captured_value_is_another_function(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    before = _digests_in_a_new_process(path, "0")
    for old, new in (('"b": 2', '"b": 3'), ("value *", "value +"), ('"white", ', "")):
        path.write_text(PROGRAM.replace(old, new))

        after = _digests_in_a_new_process(path, "0")

        assert after[0] != before[0], f"{old} became {new}"
        assert after[2] == before[2], "a point does not depend on it"


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=12,
)


@given(_plain, _plain)
def test_plain_values_have_one_digest_only_if_they_are_the_same(one: object, other: object) -> None:
    is_same = repr(one) == repr(other)

    assert (identity_of(one)[0] == identity_of(other)[0]) == is_same


def test_kinds_of_numbers_and_texts_are_told_apart() -> None:
    values = [1, 1.0, True, "1", b"1", (1,), [1], {1}, frozenset({1}), {1: 1}, 0.0, -0.0]

    assert len({identity_of(value)[0] for value in values}) == len(values)


def test_two_references_to_one_list_are_not_two_lists() -> None:
    one = [1, 2]

    assert identity_of([one, one])[0] != identity_of([one, [1, 2]])[0]


def test_an_object_that_holds_itself_has_a_digest() -> None:
    ring: list[object] = [1]
    ring.append(ring)

    assert identity_of(ring)[0] == identity_of(ring)[0]


def test_modules_that_an_object_refers_to_are_told() -> None:
    assert "pathlib" in {name.partition(".")[0] for name in identity_of([Path("x")])[1]}


@pytest.mark.parametrize("thing", [threading.Lock(), sys.__stdout__])
def test_what_cannot_be_walked_has_no_digest(thing: object) -> None:
    with pytest.raises(NoIdentity):
        identity_of([thing])
