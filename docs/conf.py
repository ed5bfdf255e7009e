"""How Sphinx builds this site: strictly, and without the network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "hxGrid"
copyright = "The hxGrid authors"  # noqa: A001  (the name is Sphinx's)
extensions = ["myst_parser", "code_tables"]

html_theme = "furo"
html_title = "hxGrid"
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = True
