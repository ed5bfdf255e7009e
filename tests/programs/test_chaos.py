"""Real programs killed, stopped and cut off under a job of 20,000 tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import namespaces
from tests.programs.chaos import chaos

pytestmark = pytest.mark.slow


@pytest.mark.system("root", "ip", "nft", "cc")
@pytest.mark.timeout(900)
def test_two_minutes_of_faults_in_programs_and_links_lose_nothing(tmp_path: Path) -> None:
    namespaces.require_namespaces()
    told = chaos(tmp_path, minutes=2.0, seed=1, is_lan=True)
    assert {"host killed", "link down", "dropped", "half-open"} <= set(told["faults"])


@pytest.mark.system("cc")
@pytest.mark.timeout(600)
def test_faults_in_programs_alone_lose_nothing(tmp_path: Path) -> None:
    told = chaos(tmp_path, minutes=0.3, seed=2, is_lan=False)
    assert {"host killed", "slot killed", "agent killed"} <= set(told["faults"])
