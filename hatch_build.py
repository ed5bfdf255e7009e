"""Build hook: in an editable install `hxgrid_examples` is the folder `examples/` of the tree.

A wheel carries the examples as the package `hxgrid_examples`. For an editable install hatch would
copy them, and a changed example would not be seen until the next install; so the hook installs a
package of one line instead, whose `__path__` is the folder in the tree.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ExamplesHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Points `hxgrid_examples` of an editable install at the tree."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the one-line package; other builds are left as pyproject.toml has them."""
        if version != "editable":
            return
        folder = Path(tempfile.mkdtemp(prefix="hxgrid-build-"))
        self._stub = folder / "__init__.py"
        self._stub.write_text(
            f'"""The examples, in the source tree."""\n\n__path__ = [{str(self._examples())!r}]\n',
            encoding="utf-8",
        )
        build_data["force_include_editable"] = {str(self._stub): "hxgrid_examples/__init__.py"}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what `initialize` wrote."""
        if version == "editable":
            self._stub.unlink()
            self._stub.parent.rmdir()

    def _examples(self) -> Path:
        return Path(self.root) / "examples"
