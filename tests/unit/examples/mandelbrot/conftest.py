"""The compiled libraries, once for all tests here."""

from __future__ import annotations

import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot import library


@pytest.fixture(scope="session")
def lib() -> library.Library:
    """The library as agents have it."""
    return library.load()


@pytest.fixture(scope="session")
def exact_lib() -> library.Library:
    """The one with long numbers."""
    try:
        return library.load(exact=True)
    except JobError as error:
        pytest.skip(f"needs GMP (make system): {error}")
