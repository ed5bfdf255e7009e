"""Which addresses are good where."""

from __future__ import annotations

import pytest

from hxgrid_coordinator.core.entry import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("192.0.2.1", False),
        ("pc7", False),
    ],
)
def test_loopback_is_known_by_address(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected
