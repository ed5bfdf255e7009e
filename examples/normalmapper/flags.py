"""The command line of the original: `[-flags] low high W H [distance] [heightmap scale] out`.

Flags are letters in one word, in any order. Where several of a group are given, the last of the
group's order wins, whatever their order in the word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import JobError
from .arg import LAYOUTS
from .options import NO_LIMIT, Options

_Changes = dict[str, Any]

_RULES: dict[str, _Changes] = {
    "c": {"rule": "closest", "is_better": False},
    "C": {"rule": "closest", "is_better": True},
    "f": {"rule": "furthest", "is_better": False},
    "F": {"rule": "furthest", "is_better": True},
    "d": {"rule": "front", "is_better": False},
    "D": {"rule": "front", "is_better": True},
    "b": {"rule": "normal", "is_better": False},
}
_BENT = {"has_bent_normals": True}
# Groups of letters in the order in which they win.
GROUPS: tuple[dict[str, _Changes], ...] = (
    {str(digit): {"samples": (digit + 1) ** 2 + 1} for digit in range(1, 10)}
    | {"0": {"samples": 122}},
    {"k": {"has_corner_samples": True}},
    _RULES,
    {"X": {"is_front_only": True}},
    {
        letter: {"has_occlusion": True, "rays": rays}
        for letter, rays in zip("rRoO", (69, 149, 261, 581), strict=True)
    },
    {"n": _BENT, "N": {**_BENT, "rays": 581}},
    {"m": {"mips": "recast"}, "M": {"mips": "box"}},
    {"w": {"is_world_space": True}, "W": {"is_world_space": True}},
    {
        letter: {"dilation_passes": passes}
        for letter, passes in zip("EgGe", (15, 20, 30, 0), strict=True)
    },
    {"t": {"epsilon": 1e-7}, "T": {"epsilon": 0.1}},
    {
        letter: {"least_cosine": cosine}
        for letter, cosine in zip("aAlL", (0.4, 0.7, -0.1, -0.4), strict=True)
    },
    {"p": {"pad": 3}, "P": {"pad": 4}},
    {"z": {"is_edge_copied": False}},
    {"B": {"has_box_filter": True}},
    {"y": {"has_displacement": True}},
)
# Said otherwise here (-q of the command), or by the arguments that follow.
_WITHOUT_EFFECT = "qQv-"


@dataclass(frozen=True)
class Job:
    """What is to be done."""

    low: Path
    high: Path
    width: int
    height: int
    out: Path
    options: Options = field(default_factory=Options)
    height_map: Path | None = None
    height_scale: float = 1.0
    layout: str = ""
    """How texels lie in an .arg file: a key of `LAYOUTS`, or empty for its default."""


def apply_flags(options: Options, flags: str) -> Options:
    """Return the options changed as the letters say. Raises `JobError`."""
    known = "".join(letter for group in GROUPS for letter in group)
    for letter in flags:
        if letter not in {*known, *_WITHOUT_EFFECT, *LAYOUTS}:
            raise JobError(f"flag {letter!r} is not one of {known}")
    changes: _Changes = {}
    for group in GROUPS:
        for letter, change in group.items():
            if letter in flags:
                changes.update(change)
    return replace(options, **changes)


def parse_positions(words: Sequence[str]) -> Job:
    """Return the job of the original's arguments, in any of their forms. Raises `JobError`."""
    words = list(words)
    flags = words.pop(0) if words and words[0].startswith("-") else ""
    options = apply_flags(Options(), flags)
    has_distance = "v" in flags
    expected = 5 + has_distance
    if len(words) not in (expected, expected + 2):
        raise JobError(
            f"expected LOW HIGH WIDTH HEIGHT{' DISTANCE' if has_distance else ''}"
            f" [HEIGHTMAP SCALE] OUT, got {len(words)} arguments"
        )
    low, high = Path(words[0]), Path(words[1])
    width, height = (_size(word) for word in words[2:4])
    if has_distance:
        options = replace(options, max_distance=_number(words[4], "distance"))
    height_map, scale = None, 1.0
    if len(words) > expected:
        height_map, scale = Path(words[-3]), _number(words[-2], "scale of the height map")
    layout = next((letter for letter in reversed(LAYOUTS) if letter in flags), "")
    return Job(low, high, width, height, Path(words[-1]), options, height_map, scale, layout)


def settled(job: Job) -> Options:
    """Return the job's options with what depends on others decided."""
    options = job.options
    if options.is_better is None:
        options = replace(options, is_better=job.height_map is None)
    if options.rule not in ("closest", "furthest"):
        options = replace(options, is_front_only=False)
    return options


def _size(word: str) -> int:
    size = int(word) if word.isascii() and word.isdigit() else 0
    if size <= 0 or size % 2 or size > 65536:
        raise JobError(f"width and height must be even numbers from 2 to 65536, not {word!r}")
    return size


def _number(word: str, name: str) -> float:
    try:
        value = float(word)
    except ValueError as error:
        raise JobError(f"the {name} must be a number, not {word!r}") from error
    if not abs(value) <= NO_LIMIT:
        raise JobError(f"the {name} must be a number that a float can hold, not {word!r}")
    return value
