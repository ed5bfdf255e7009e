"""What can be asked for: how many samples, which hits, what is done with the picture."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import JobError

if TYPE_CHECKING:
    Table = np.ndarray[Any, np.dtype[np.float64]]

Rule = Literal["closest", "furthest", "front", "normal"]
RULES: tuple[Rule, ...] = ("closest", "furthest", "front", "normal")
MipMode = Literal["none", "box", "recast"]

NO_LIMIT = float(np.finfo(np.float32).max)
# Samples a texel, and the grid of additional ones that makes them.
SAMPLE_COUNTS = {grid * grid + 1: grid for grid in (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)}
# Rays over a point, and the divisions of a quarter of the sky that make them.
RAY_COUNTS = {4 * divisions**2 + 5: divisions for divisions in (4, 6, 8, 12)}

_PI = Decimal("3.14159265358979323846264338327950288419716939937510")


@dataclass(frozen=True)
class Options:
    """One job's options; the defaults are those of NormalMapper."""

    samples: int = 1
    """1, 5, 10, 17, ... 122: a key of SAMPLE_COUNTS."""
    has_corner_samples: bool = False
    """Four more samples, at the corners of the texel."""

    rule: Rule = "closest"
    """Which hit counts: "front" is the furthest in front, else the closest behind; "normal" is the
    one whose normal is nearest to the low mesh's."""
    is_better: bool | None = None
    """Among hits of one distance take the better normal. None: unless there is a height map."""
    is_front_only: bool = False
    """Only hits in front, for "closest" and "furthest"."""
    max_distance: float = NO_LIMIT
    least_cosine: float = 0.1
    """Hits whose normal is further from the ray's direction do not count."""
    epsilon: float = 0.0
    """Triangles are taken for parallel to a ray up to this determinant."""

    has_occlusion: bool = False
    has_bent_normals: bool = False
    rays: int = 261
    """69, 149, 261, 581: a key of RAY_COUNTS, for both of them."""

    is_world_space: bool = False
    has_displacement: bool = False
    """Also give the signed distance to the high mesh."""
    pad: int = 2
    """Texels around a triangle that are looked at."""
    is_edge_copied: bool = True
    dilation_passes: int = 10
    has_box_filter: bool = False
    mips: MipMode = "none"

    def __post_init__(self) -> None:
        if self.samples not in SAMPLE_COUNTS:
            raise JobError(_not_one_of("samples", self.samples, SAMPLE_COUNTS))
        if self.rays not in RAY_COUNTS:
            raise JobError(_not_one_of("rays", self.rays, RAY_COUNTS))
        if not self.max_distance > 0:
            raise JobError(f"the maximum distance must be more than 0, not {self.max_distance}")
        if not -1 <= self.least_cosine < 1:
            raise JobError(f"the least cosine must be from -1 up to 1, not {self.least_cosine}")
        if not 0 <= self.epsilon < 1:
            raise JobError(f"epsilon must be from 0 up to 1, not {self.epsilon}")
        if not 0 <= self.pad <= 64 or not 0 <= self.dilation_passes <= 1000:
            raise JobError("pad goes from 0 to 64, dilation passes from 0 to 1000")

    @property
    def needs_rays(self) -> bool:
        """Whether points look around."""
        return self.has_occlusion or self.has_bent_normals

    def sample_table(self) -> Table:
        """Return (x, y) of each sample, in texels from the middle; the middle comes first."""
        found = [(0.0, 0.0)]
        if self.has_corner_samples:
            found += [(0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5)]
        n = SAMPLE_COUNTS[self.samples]
        places = [(index + 1) / (n + 1) - 0.5 for index in range(n)]
        found += [(x, y) for y in places for x in places]
        return np.array(found)

    def ray_table(self) -> Table:
        """Return (x, y, z, weight) of each ray over a point whose normal is z."""
        if not self.needs_rays:
            return np.empty((0, 4))
        n = RAY_COUNTS[self.rays]
        quarter = []
        for i in range(n):
            z = (i + 1) / (n + 1)
            radius = (1 - z * z) ** 0.5
            for j in range(n):
                angle = _PI / 2 * (j + 1) / (n + 1)
                quarter.append((radius * _cosine(angle), radius * _cosine(_PI / 2 - angle), z, z))
        signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        table = [(x * across, y * up, z, w) for across, up in signs for x, y, z, w in quarter]
        table += [(1, 0, 0, 0), (-1, 0, 0, 0), (0, 1, 0, 0), (0, -1, 0, 0), (0, 0, 1, 1)]
        return np.array(table, dtype=np.float64)


def _cosine(angle: Decimal) -> float:
    # Rounded once, from forty digits: the mathematics libraries of two computers may differ in the
    # last bit, and then two runs of one job would.
    with localcontext(prec=40):
        term = total = Decimal(1)
        for index in range(2, 60, 2):
            term *= -angle * angle / (index * (index - 1))
            total += term
        return float(total)


def _not_one_of(name: str, value: object, choices: dict[int, int]) -> str:
    return f"{name} must be one of {', '.join(str(choice) for choice in choices)}, not {value}"
