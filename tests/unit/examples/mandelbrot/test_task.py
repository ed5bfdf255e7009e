"""The task in C++ and in Python: the same bytes; and every arithmetic: the same counts."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot import mb_task
from hxgrid_examples.mandelbrot.drawing import Drawing
from hxgrid_examples.mandelbrot.mb_task import EXACT, PERTURBED, PLAIN, Request, Stopped, Tile
from hxgrid_examples.mandelbrot.reference import make_reference
from hxgrid_examples.mandelbrot.view import View, parse_view

if TYPE_CHECKING:
    from hxgrid_examples.mandelbrot.library import Library

WIDTH, HEIGHT = 20, 12
LIMIT = 900

# Where points leave soon and late, and some never; c = i and c = -2 are on the boundary, so that
# their surroundings are as rich at any depth.
SHALLOW = [("-0.5", "0", "0.3"), ("-0.7436447861", "0.1318252535", "40"), ("-1.25", "0.02", "30")]
DEEP = [("0", "1", "1e30"), ("0", "1", "1e120"), ("-2", "0", "1e60"), ("0", "1", "1e280")]


def request(arithmetic: int, place: tuple[str, str, str], limit: int = LIMIT) -> Request:
    view = view_of(place)
    asked = Drawing(view, limit).request(Tile(0, 0, WIDTH, HEIGHT), wants_steps=False)
    is_exact = arithmetic == EXACT
    return replace(
        asked,
        arithmetic=arithmetic,
        fraction_bits=view.fraction_bits if is_exact else 0,
        exact=view.exact() if is_exact else (0, 0, 0),
        reference="reference" if arithmetic == PERTURBED else "",
    )


def view_of(place: tuple[str, str, str]) -> View:
    return parse_view(*place, WIDTH, HEIGHT)


def go_on() -> bool:
    return True


def counts(answer: bytes) -> list[int]:
    found: list[int] = np.frombuffer(answer, "<u4", WIDTH * HEIGHT).tolist()
    return found


def test_a_request_survives_its_journey() -> None:
    for arithmetic in (PLAIN, PERTURBED, EXACT):
        asked = replace(request(arithmetic, DEEP[0]), wants_steps=arithmetic == PLAIN)
        assert Request.unpack(asked.pack()) == asked


@pytest.mark.parametrize("place", SHALLOW)
def test_plain_points_are_the_same_bits_in_both_languages(
    lib: Library, place: tuple[str, str, str]
) -> None:
    asked = request(PLAIN, place)
    assert lib.compute(asked.pack(), b"", go_on) == mb_task.compute(asked, b"", go_on)


@pytest.mark.parametrize("place", SHALLOW + DEEP)
def test_perturbed_points_are_the_same_bits_in_both_languages(
    lib: Library, place: tuple[str, str, str]
) -> None:
    asked, reference = request(PERTURBED, place), make_reference(view_of(place), LIMIT)
    answer = lib.compute(asked.pack(), reference, go_on)
    assert answer == mb_task.compute(asked, reference, go_on)


@pytest.mark.parametrize("place", [SHALLOW[0], DEEP[0], DEEP[1]])
def test_long_numbers_are_the_same_bits_in_both_languages(
    exact_lib: Library, place: tuple[str, str, str]
) -> None:
    asked = request(EXACT, place)
    assert exact_lib.compute(asked.pack(), b"", go_on) == mb_task.compute(asked, b"", go_on)


def test_python_s_own_numbers_give_the_bits_of_gmp(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(EXACT, DEEP[0], limit=60)
    answer = mb_task.compute(asked, b"", go_on)
    monkeypatch.setattr(mb_task, "long_number", int)
    assert mb_task.compute(asked, b"", go_on) == answer


@pytest.mark.parametrize("place", SHALLOW + DEEP)
def test_perturbation_counts_as_long_numbers_do(lib: Library, place: tuple[str, str, str]) -> None:
    reference = make_reference(view_of(place), LIMIT)
    perturbed = lib.compute(request(PERTURBED, place).pack(), reference, go_on)
    exact = mb_task.compute(request(EXACT, place), b"", go_on)
    assert counts(perturbed) == counts(exact)
    assert len(set(counts(exact))) > 5


def test_a_reference_that_leaves_early_serves_points_that_stay_longer(lib: Library) -> None:
    # The centre is far outside the set, which covers a corner of the picture.
    place = ("0.6", "0.5", "0.8")
    reference = make_reference(view_of(place), LIMIT)
    assert len(mb_task.Orbit.unpack(reference).re) < 10
    perturbed = counts(lib.compute(request(PERTURBED, place).pack(), reference, go_on))
    assert perturbed == counts(mb_task.compute(request(EXACT, place), b"", go_on))
    assert max(perturbed) == LIMIT


def test_leaps_save_most_of_the_steps(lib: Library) -> None:
    place = ("0", "1", "1e250")
    asked = replace(request(PERTURBED, place, limit=5000), wants_steps=True)
    answer = lib.compute(asked.pack(), make_reference(view_of(place), 5000), go_on)
    count, _, steps = np.frombuffer(answer, "<u4").reshape(3, -1)
    assert steps.sum() < count.sum() / 4


def test_the_norm_is_that_of_the_first_value_outside(lib: Library) -> None:
    answer = lib.compute(request(PLAIN, SHALLOW[0]).pack(), b"", go_on)
    found = np.frombuffer(answer, "<u4")
    count, norm = found[: WIDTH * HEIGHT], found[WIDTH * HEIGHT :].view("<f4")
    assert ((norm > mb_task.ESCAPED) == (count < LIMIT)).all()
    assert (norm[count == LIMIT] == 0).all()


@pytest.mark.parametrize("arithmetic", [PLAIN, PERTURBED, EXACT])
def test_python_stops_when_it_is_told_to(arithmetic: int) -> None:
    reference = make_reference(view_of(SHALLOW[0]), LIMIT)
    with pytest.raises(Stopped):
        mb_task.compute(request(arithmetic, SHALLOW[0]), reference, lambda: False)


@pytest.mark.parametrize("arithmetic", [PLAIN, PERTURBED, EXACT])
def test_the_library_stops_when_it_is_told_to(exact_lib: Library, arithmetic: int) -> None:
    asked = replace(request(arithmetic, ("-0.1528", "1.0397", "500"), 100_000))
    reference = make_reference(view_of(SHALLOW[0]), LIMIT)
    with pytest.raises(Stopped):
        exact_lib.compute(asked.pack(), reference, lambda: False)


def broken(asked: Request) -> dict[str, bytes]:
    whole = asked.pack()
    return {
        "cut off": whole[:-1],
        "empty": b"",
        "longer": whole + b"x",
        "unknown arithmetic": struct.pack("<I", 7) + whole[4:],
        "not in its picture": replace(asked, tiles=(Tile(0, 0, WIDTH + 1, HEIGHT),)).pack(),
        "no stride": replace(asked, tiles=(Tile(0, 0, 4, 4, 0),)).pack(),
        "too large": replace(asked, width=2**31).pack(),
        "number that is none": replace(asked, half_step=float("nan")).pack(),
    }


@pytest.mark.parametrize("how", list(broken(request(PLAIN, SHALLOW[0]))))
def test_nonsense_ends_in_a_sentence(lib: Library, how: str) -> None:
    with pytest.raises(JobError, match="request"):
        lib.compute(broken(request(PLAIN, SHALLOW[0]))[how], b"", go_on)


@pytest.mark.parametrize("cut", [0, 10, 24, 200, -1])
def test_a_broken_reference_ends_in_a_sentence(lib: Library, cut: int) -> None:
    reference = make_reference(view_of(DEEP[0]), LIMIT)[:cut]
    with pytest.raises(JobError, match="reference"):
        lib.compute(request(PERTURBED, DEEP[0]).pack(), reference, go_on)


def test_without_gmp_the_library_says_so(lib: Library) -> None:
    assert not lib.has_exact
    with pytest.raises(JobError, match="GMP"):
        lib.compute(request(EXACT, DEEP[0]).pack(), b"", go_on)
