"""The library against an independent reference, closed forms, and itself in other orders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hxgrid_examples.normalmapper import flags, generate, library, plan, relief, scene
from hxgrid_examples.normalmapper.options import Options

from tests.unit.examples.normalmapper import reference
from tests.unit.examples.normalmapper.reference import Reference
from tests.unit.examples.normalmapper.rules import Rule

pytestmark = pytest.mark.slow

SIZE = 64
Array = np.ndarray[Any, Any]


def build(lib: Any, low: Array, high: Array, **changes: Any) -> Any:
    options = Options(**{"is_better": True, **changes})
    return scene.build_scene(lib, low, high, options)


def rendered(made: Any, width: int = SIZE, height: int = SIZE, edge: int = 16) -> Array:
    tiles = plan.tile_grid(width, height, edge)
    out = made.render(width, height, tiles)
    image = np.zeros((height, width, made.channels), np.float32)
    begin = 0
    for x0, y0, x1, y1 in tiles.tolist():
        count = (x1 - x0) * (y1 - y0) * made.channels
        image[y0:y1, x0:x1] = out[begin : begin + count].reshape(y1 - y0, x1 - x0, -1)
        begin += count
    return image


def island(shape: str, seed: int = 3) -> tuple[Array, Array]:
    """A low mesh whose texture leaves a border free, and a wavy one over it.

    The wavy one is turned a little, so that no seam lies on a seam: there rounding would decide
    which side is hit, and the reference rounds in another order.
    """
    make = generate.SHAPES[shape]
    low = generate.sheet(make, 4, 3)
    low[:, 18:] = 0.1 + 0.8 * low[:, 18:]
    high = generate.sheet(make, 12, 12, generate.waves(12, 12, seed, depth=0.15))
    cosine, sine = np.cos(0.05), np.sin(0.05)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    high[:, :18] = (high[:, :18].reshape(-1, 6, 3) @ turn).reshape(-1, 18)
    return low, high


@pytest.mark.parametrize("shape", ["plane", "sphere", "car"])
def test_default_options_agree_with_the_reference(lib: Any, shape: str) -> None:
    low, high = island(shape)
    expected, _ = Reference(low, high, (SIZE, SIZE)).run()
    found = rendered(build(lib, low, high))
    assert np.abs(found - expected).max() < 1e-5


def test_a_texture_that_fills_the_picture_agrees_in_row_0_too(lib: Any) -> None:
    low, high = generate.sheet(generate.plane, 3, 2), island("plane")[1]
    expected, _ = Reference(low, high, (SIZE, 32)).run()
    assert np.abs(rendered(build(lib, low, high), SIZE, 32) - expected).max() < 1e-5


@pytest.mark.parametrize("digit", [1, 2, 10])
@pytest.mark.parametrize("has_corners", [False, True])
def test_samples_agree(lib: Any, digit: int, has_corners: bool) -> None:
    low, high = island("sphere")
    changes = {"samples": (digit + 1) ** 2 + 1, "has_corner_samples": has_corners}
    places = reference.samples(digit, has_corners=has_corners)
    expected, _ = Reference(low, high, (SIZE, SIZE), samples=places).run()
    assert np.abs(rendered(build(lib, low, high, **changes)) - expected).max() < 1e-4


@pytest.mark.parametrize("letters", ["c", "C", "f", "F", "d", "D", "b", "cX", "CX", "fX", "FX"])
@pytest.mark.parametrize("limits", [{}, {"most": 0.3}, {"least_cosine": -0.4}])
def test_every_rule_takes_the_hit_that_the_reference_takes(
    lib: Any, letters: str, limits: dict[str, float]
) -> None:
    low, high = shells()
    rule = Rule(letters[0], is_front_only="X" in letters, **limits)
    expected, _ = Reference(low, high, (SIZE, SIZE), rule=rule).run()
    options = replace(
        flags.apply_flags(Options(), letters),
        max_distance=rule.most,
        least_cosine=rule.least_cosine,
    )
    found = rendered(scene.build_scene(lib, low, high, options))
    assert np.abs(found - expected).max() < 1e-4


def shells() -> tuple[Array, Array]:
    """A sphere, and two wavy ones around and inside it: lines have up to four hits."""
    low, high = island("sphere")
    inner = high.copy()
    inner[:, :9] *= 0.8
    # Normals that point elsewhere than the surface, so that the rule "normal" has a choice.
    inner[:, 9:18] = inner[:, 9:18] * 0.9 + 0.3
    return low, np.concatenate([high, inner])


@pytest.mark.parametrize("cosine", [0.4, 0.7, -0.1, -0.4])
def test_the_least_cosine_leaves_out_what_turns_away(lib: Any, cosine: float) -> None:
    low, high = shells()
    expected, _ = Reference(low, high, (SIZE, SIZE), rule=Rule(least_cosine=cosine)).run()
    found = rendered(build(lib, low, high, least_cosine=cosine))
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("epsilon", [1e-7, 0.1])
def test_epsilon_loses_the_triangles_that_the_reference_loses(lib: Any, epsilon: float) -> None:
    low, high = island("sphere")  # whose triangles are small near the poles
    expected, _ = Reference(low, high, (SIZE, SIZE), rule=Rule(epsilon=epsilon)).run()
    found = rendered(build(lib, low, high, epsilon=epsilon))
    assert np.abs(found - expected).max() < 1e-4
    whole = rendered(build(lib, low, high))
    is_lost = ~found.any(axis=2) & whole.any(axis=2)
    assert (is_lost.sum() > 100) == (epsilon == 0.1)


@pytest.mark.parametrize("pad", [3, 4])
def test_pads_reach_the_texels_of_the_reference(lib: Any, pad: int) -> None:
    low, high = island("car")
    expected, _ = Reference(low, high, (SIZE, SIZE), pad=pad).run()
    assert np.abs(rendered(build(lib, low, high, pad=pad)) - expected).max() < 1e-4
    assert np.abs(rendered(build(lib, low, high)) - expected).max() > 0.1


def test_without_edges_only_texels_inside_are_there(lib: Any) -> None:
    low, high = island("car")
    expected, _ = Reference(low, high, (SIZE, SIZE), copies_edges=False).run()
    assert np.abs(rendered(build(lib, low, high, is_edge_copied=False)) - expected).max() < 1e-4


@pytest.mark.parametrize("is_bent", [False, True])
def test_world_space_is_not_turned(lib: Any, is_bent: bool) -> None:
    low, high = island("sphere")
    rays = reference.rays(4) if is_bent else np.empty((0, 4))
    made = Reference(low, high, (SIZE, 24), is_world=True, is_bent=is_bent, rays=rays)
    changes = {"is_world_space": True, "has_bent_normals": is_bent, "rays": 69}
    found = rendered(build(lib, low, high, **changes), SIZE, 24)
    assert np.abs(found[:, :, :3] - made.run()[0]).max() < 1e-4


@pytest.mark.parametrize("is_bent", [False, True])
@pytest.mark.parametrize("divisions", [4, 6, 8, 12])
def test_occlusion_and_bent_normals_agree(lib: Any, divisions: int, is_bent: bool) -> None:
    low, high = island("plane")
    changes = {"has_occlusion": True, "has_bent_normals": is_bent, "rays": 4 * divisions**2 + 5}
    rays = reference.rays(divisions)
    normals, openness = Reference(low, high, (12, 12), rays=rays, is_bent=is_bent).run()
    found = rendered(build(lib, low, high, **changes), 12, 12)
    assert np.abs(found[:, :, :3] - normals).max() < 1e-4
    assert np.abs(found[:, :, 3] - openness).max() < 1e-5
    assert openness.min() < 0.95


def test_a_height_map_turns_the_normals_as_in_the_reference(lib: Any) -> None:
    low, high = island("plane")
    chance = np.random.default_rng(4)
    bumps = relief.relief_normals(chance.random((7, 9), np.float32))
    made = scene.build_scene(lib, low, high, Options(is_better=False), bumps)
    expected, _ = Reference(low, high, (SIZE, SIZE), rule=Rule("c"), relief=bumps).run()
    found = rendered(made)
    assert np.abs(found - rendered(build(lib, low, high, is_better=False))).max() > 0.5
    assert np.abs(found - expected).max() < 1e-5


def test_a_plane_over_a_plane_is_straight_up_and_open(lib: Any) -> None:
    low = generate.sheet(generate.plane, 2, 2)
    high = generate.sheet(generate.plane, 8, 8, np.full((9, 9), 0.25))
    made = build(lib, low, high, has_occlusion=True, has_displacement=True, is_edge_copied=False)
    inner = rendered(made)[8:-8, 8:-8]
    assert np.allclose(inner[:, :, :2], 0, atol=1e-6)
    assert (inner[:, :, 3] == 1).all()
    assert np.allclose(inner[:, :, 4], 0.25, atol=1e-6)


def test_normals_of_a_sphere_are_its_places(lib: Any) -> None:
    low, high = generate.sheet(generate.sphere, 16, 8), generate.sheet(generate.sphere, 128, 64)
    found = rendered(build(lib, low, high, is_world_space=True), 128, 64)[6:-6]
    v, u = np.meshgrid(np.arange(6, 58) / 63, np.arange(128) / 127, indexing="ij")
    place = generate.sphere(u, v)
    length = np.linalg.norm(found, axis=2, keepdims=True)
    cosine = (found / length * place).sum(axis=2)
    assert cosine.min() > np.cos(np.radians(4))


def test_a_point_in_a_groove_sees_what_the_walls_leave_open(lib: Any) -> None:
    """Between two endless walls that rise at 45 degrees half of the sky's cosine is hidden."""
    wide, deep = 1e4, 2.0
    low = generate.sheet(generate.plane, 1, 1)
    low[:, :9] *= 0.01
    high = generate.sheet(generate.plane, 2, 1)
    points = high[:, :9].reshape(-1, 3, 3)
    points[:, :, 1] = deep * np.abs(points[:, :, 0])
    points[:, :, 2] *= wide
    points[:, :, 0] *= deep
    made = build(lib, low, high, has_occlusion=True, rays=581)
    # The open part of a groove of half angle a is sin(a) of the cosine-weighted sky.
    assert abs(rendered(made, 9, 9)[4, 4, 3] - np.sin(np.radians(45))) < 0.05


@pytest.mark.parametrize("edge", [5, 32])
def test_bytes_do_not_depend_on_how_the_picture_is_cut(lib: Any, edge: int) -> None:
    made = build(lib, *island("car"), samples=5, has_occlusion=True, rays=69)
    assert rendered(made, edge=edge).tobytes() == rendered(made, edge=16).tobytes()


@pytest.mark.parametrize("flags", [("-DNM_ONE_CLONE",), ("-DNM_ONE_CLONE", "-mavx2", "-O3")])
def test_bytes_do_not_depend_on_the_instructions_of_the_processor(
    lib: Any, flags: tuple[str, ...]
) -> None:
    cpus = Path("/proc/cpuinfo")
    if "-mavx2" in flags and not (cpus.is_file() and " avx2 " in cpus.read_text("utf-8")):
        pytest.skip("this processor has no AVX2")
    other = library.load(library.library_path(*flags))
    pictures = [
        rendered(build(each, *island("car"), has_occlusion=True, rays=69)) for each in (lib, other)
    ]
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_bytes_do_not_depend_on_where_the_scene_lies(lib: Any, tmp_path: Path) -> None:
    made = build(lib, *island("plane"))
    made.write(tmp_path / "scene")
    raw = np.fromfile(tmp_path / "scene", np.uint8)
    moved = np.empty(len(raw) + 4096, np.uint8)
    start = 64 - moved.ctypes.data % 64 + 1024
    moved[start : start + len(raw)] = raw
    again = scene.Scene(lib, lib.ffi.from_buffer("uint8_t[]", moved[start : start + len(raw)]))
    assert rendered(again).tobytes() == rendered(made).tobytes()
