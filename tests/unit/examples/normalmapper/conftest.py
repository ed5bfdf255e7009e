"""The compiled library, once for all tests here, and small meshes."""

from __future__ import annotations

import pytest
from hxgrid_examples.normalmapper import library


@pytest.fixture(scope="session")
def lib() -> library.Library:
    """The library as the application has it."""
    return library.load()
