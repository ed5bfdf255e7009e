from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.normalmapper import flags, options
from hxgrid_examples.normalmapper.options import Options

COUNTS = (5, 10, 17, 26, 37, 50, 65, 82, 101, 122)


def of(letters: str) -> Options:
    return flags.apply_flags(Options(), letters)


@pytest.mark.parametrize(("digit", "count"), list(zip("1234567890", COUNTS, strict=True)))
def test_a_digit_is_a_number_of_samples(digit: str, count: int) -> None:
    assert of(digit).samples == count
    assert len(of(digit).sample_table()) == count
    assert len(of(f"k{digit}").sample_table()) == count + 4


@pytest.mark.parametrize(
    ("letters", "changes"),
    [
        ("k", {"has_corner_samples": True}),
        ("c", {"rule": "closest", "is_better": False}),
        ("C", {"rule": "closest", "is_better": True}),
        ("f", {"rule": "furthest", "is_better": False}),
        ("F", {"rule": "furthest", "is_better": True}),
        ("d", {"rule": "front", "is_better": False}),
        ("D", {"rule": "front", "is_better": True}),
        ("b", {"rule": "normal", "is_better": False}),
        ("X", {"is_front_only": True}),
        ("r", {"has_occlusion": True, "rays": 69}),
        ("R", {"has_occlusion": True, "rays": 149}),
        ("o", {"has_occlusion": True, "rays": 261}),
        ("O", {"has_occlusion": True, "rays": 581}),
        ("n", {"has_bent_normals": True, "rays": 261}),
        ("N", {"has_bent_normals": True, "rays": 581}),
        ("m", {"mips": "recast"}),
        ("M", {"mips": "box"}),
        ("w", {"is_world_space": True}),
        ("W", {"is_world_space": True}),
        ("e", {"dilation_passes": 0}),
        ("E", {"dilation_passes": 15}),
        ("g", {"dilation_passes": 20}),
        ("G", {"dilation_passes": 30}),
        ("t", {"epsilon": 1e-7}),
        ("T", {"epsilon": 0.1}),
        ("a", {"least_cosine": 0.4}),
        ("A", {"least_cosine": 0.7}),
        ("l", {"least_cosine": -0.1}),
        ("L", {"least_cosine": -0.4}),
        ("p", {"pad": 3}),
        ("P", {"pad": 4}),
        ("z", {"is_edge_copied": False}),
        ("B", {"has_box_filter": True}),
        ("y", {"has_displacement": True}),
        ("qQv", {}),
    ],
)
def test_each_letter_has_its_meaning(letters: str, changes: dict[str, object]) -> None:
    assert of(letters) == replace(Options(), **changes)


@pytest.mark.parametrize(
    ("letters", "winner"),
    [("10", "0"), ("91", "9"), ("bC", "b"), ("dF", "d"), ("Or", "O"), ("Mm", "M"), ("Tt", "T")],
)
def test_the_later_of_a_group_wins(letters: str, winner: str) -> None:
    assert of(letters) == of(winner) == of(letters[::-1])


@pytest.mark.parametrize(("letters", "passes"), [("Eg", 20), ("gG", 30), ("eE", 0), ("ge", 0)])
def test_dilation_letters_win_in_the_order_of_the_original(letters: str, passes: int) -> None:
    assert of(letters).dilation_passes == passes


@pytest.mark.parametrize(("letters", "rays"), [("on", 261), ("rn", 69), ("rN", 581), ("On", 581)])
def test_bent_normals_take_the_density_of_the_occlusion(letters: str, rays: int) -> None:
    found = of(letters)
    assert (found.has_occlusion, found.has_bent_normals, found.rays) == (True, True, rays)


@pytest.mark.parametrize(
    ("letters", "layout"),
    [("-h", "h"), ("-H", "H"), ("-i", "i"), ("-s", "s"), ("-S", "S"), ("-Sh", "S"), ("-1", "")],
)
def test_letters_of_arg_files_choose_their_layout(letters: str, layout: str) -> None:
    job = flags.parse_positions([letters, "l", "h", "4", "6", "o.arg"])
    assert job.layout == layout


def test_an_unknown_letter_is_named() -> None:
    with pytest.raises(JobError, match="'x' is not one of"):
        of("1x")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("l h 4 6 o.tga", ("", None, None, 1)),
        ("-1 l h 4 6 o.tga", ("1", None, None, 1)),
        ("-v l h 4 6 2.5 o.tga", ("v", 2.5, None, 1)),
        ("l h 4 6 map.tga -2 o.tga", ("", None, "map.tga", -2)),
        ("-k l h 4 6 map.tga 2 o.tga", ("k", None, "map.tga", 2)),
        ("-vk l h 4 6 3 map.tga 2 o.tga", ("vk", 3, "map.tga", 2)),
    ],
)
def test_the_arguments_have_the_forms_of_the_original(
    line: str, expected: tuple[str, float | None, str | None, float]
) -> None:
    letters, distance, height_map, scale = expected
    job = flags.parse_positions(line.split())
    wanted = of(letters) if distance is None else replace(of(letters), max_distance=distance)
    assert job.options == wanted
    assert (job.low, job.high, job.width, job.height) == (Path("l"), Path("h"), 4, 6)
    assert job.height_map == (None if height_map is None else Path(height_map))
    assert (job.height_scale, job.out) == (scale, Path("o.tga"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "expected LOW HIGH"),
        ("l h 4 6", "got 4 arguments"),
        ("l h 4 6 7 o.tga", "got 6 arguments"),
        ("-v l h 4 6 o.tga", "DISTANCE"),
        ("l h 5 6 o.tga", "even numbers"),
        ("l h 0 6 o.tga", "even numbers"),
        ("l h 4 x o.tga", "even numbers"),
        ("l h 4 -6 o.tga", "even numbers"),
        ("-v l h 4 6 far o.tga", "distance must be a number"),
        ("-v l h 4 6 nan o.tga", "a float can hold"),
        ("-v l h 4 6 -1 o.tga", "more than 0"),
        ("l h 4 6 m.tga 1e99 o.tga", "a float can hold"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(JobError, match=sentence):
        flags.parse_positions(line.split())


def settled(line: str) -> Options:
    return flags.settled(flags.parse_positions(line.split()))


def test_a_height_map_changes_the_default_rule() -> None:
    assert settled("l h 4 4 o.tga").is_better is True
    assert settled("l h 4 4 m.tga 1 o.tga").is_better is False
    assert settled("-C l h 4 4 m.tga 1 o.tga").is_better is True


def test_front_only_needs_closest_or_furthest() -> None:
    assert settled("-fX l h 4 4 o.tga").is_front_only
    assert not settled("-dX l h 4 4 o.tga").is_front_only


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": 3},
        {"rays": 70},
        {"max_distance": 0},
        {"least_cosine": 1},
        {"epsilon": -1},
        {"pad": -1},
        {"dilation_passes": -1},
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(JobError):
        replace(Options(), **changes)


@pytest.mark.parametrize("rays", options.RAY_COUNTS)
def test_rays_cover_the_sky_above(rays: int) -> None:
    table = Options(has_occlusion=True, rays=rays).ray_table()
    assert table.shape == (rays, 4)
    assert np.allclose(np.linalg.norm(table[:, :3], axis=1), 1)
    assert (table[:, 2] >= 0).all()
    assert np.array_equal(table[:, 2], table[:, 3])
    assert np.count_nonzero(table[:, 3] == 0) == 4


def test_cosines_are_those_of_the_mathematics_library() -> None:
    n = 12
    table = Options(has_occlusion=True, rays=581).ray_table()
    z, phi = 1 / 13, np.arange(1, n + 1) / 13 * np.pi / 2
    assert np.allclose(table[:n, 0], np.sqrt(1 - z * z) * np.cos(phi), rtol=1e-15)
    assert np.allclose(table[:n, 1], np.sqrt(1 - z * z) * np.sin(phi), rtol=1e-15)
