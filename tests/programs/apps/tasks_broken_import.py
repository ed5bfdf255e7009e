"""A task file that cannot be imported."""

from __future__ import annotations

raise RuntimeError("this file never loads")
