"""Pictures of 512 x 512 texels, as they stand in files, against the reference's.

With `HXGRID_SAMPLES` the meshes are those of the folder that it names; without, generated ones of
as many triangles. `comparing.py` compares more texels, and says how far they are apart.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.examples.normalmapper import comparing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# What a person would not see: the mean difference, and that of all texels but one in a thousand.
MEAN, AT_999 = 0.5, 6.0


@pytest.mark.parametrize(
    ("job", "share"),
    [("default", 1.0), ("height map", 1.0), ("1", 0.1), ("r", 0.02), ("o", 0.005)],
)
def test_a_picture_agrees_with_the_reference_s(tmp_path: Path, job: str, share: float) -> None:
    meshes = comparing.Meshes.found_or_made(tmp_path)
    found = comparing.compare(meshes, job, 512, share, tmp_path)
    assert found.texels > 0.9 * share * 512 * 512
    assert max(found.mean) <= MEAN, str(found)
    assert max(found.at_999) <= AT_999, str(found)
