"""Plain TCP and CURVE run the same tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.transport.bench import Bench


@pytest.fixture(params=[False, True], ids=["tcp", "curve"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param)
    yield made
    made.close()


@pytest.fixture
def curve() -> Iterator[Bench]:
    made = Bench(is_curve=True)
    yield made
    made.close()
