"""The command line under Wine."""

from __future__ import annotations

import json

from tests.wine.grids import MixedGrid
from tests.wine.running import Wine


def test_a_grid_is_found_by_broadcast(wine: Wine, grid: MixedGrid) -> None:
    # Without an answer the exit status would be 3.
    out = wine.run([wine.python, "-m", "hxgrid", "agents", "--json"], grid.settings("USER"))
    assert json.loads(out) == []
