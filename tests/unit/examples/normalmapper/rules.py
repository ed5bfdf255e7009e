"""Which of several hits counts, as the description's table has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.unit.examples.normalmapper.lines import Hits

Array = np.ndarray[Any, Any]

TINY = 1e-7


@dataclass(frozen=True)
class Rule:
    """A letter of the original (C is the default), and what else decides."""

    letter: str = "C"
    is_front_only: bool = False
    most: float = float(np.finfo(np.float32).max)
    least_cosine: float = 0.1
    epsilon: float = 0.0

    def choose(self, hits: Hits, cosines: Array, held: Array) -> Array:
        """Return the chosen hits, at most one for a line, in the order of the lines.

        `held` is the cosine by which a hit is remembered, once it is chosen.
        """
        best: dict[int, tuple[int, float, float]] = {}
        facts = zip(
            hits.line.tolist(), hits.t.tolist(), cosines.tolist(), held.tolist(), strict=True
        )
        for index, (line, t, cosine, as_held) in enumerate(facts):
            if cosine > self.least_cosine and self._is_better(t, cosine, best.get(line)):
                best[line] = (index, t, as_held)
        return np.array([best[line][0] for line in sorted(best)], int)

    def _is_better(self, t: float, c: float, held: tuple[int, float, float] | None) -> bool:
        if self.letter == "b":
            return abs(t) < self.most and c > (held[2] if held else 0.0)
        if self.letter in "dD":
            return abs(t) < self.most and self._is_in_front_of(t, c, held)
        sign = 1.0 if self.letter in "cC" else -1.0
        if self.is_front_only:
            is_in, far = -self.epsilon <= t < self.most, t
            old = held[1] if held else 0.0
        else:
            is_in, far = abs(t) < self.most, abs(t)
            old = abs(held[1]) if held else 0.0
        if is_in and (held is None or sign * far < sign * old):
            return True
        is_tie = held is not None and far == old and abs(t) < self.most
        return is_tie and self.letter.isupper() and held is not None and c > held[2]

    def _is_in_front_of(self, t: float, c: float, held: tuple[int, float, float] | None) -> bool:
        if held is None:
            return True
        old = held[1]
        if self.letter == "D" and t == old:
            return c > held[2]
        if t <= 0:
            return old <= 0 and abs(t) < abs(old)
        return old < 0 or abs(t) > abs(old)
