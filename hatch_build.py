"""Build hook: compiles the task library, and makes the examples of an editable install editable.

The library comes from `native/build.py`. A wheel that carries it is for one platform; where there
is no C compiler the wheel goes without, and is for every platform. A wheel also carries what
`scripts/compile_modules.py` has made, if that was made of the sources as they are.

A wheel carries the examples as the package `hxgrid_examples`. For an editable install hatch would
copy them, and a changed example would not be seen until the next install; so the hook installs a
package of one line instead, whose `__path__` is the folder in the tree.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class HxGridHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Adds what is made while building."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library; point `hxgrid_examples` of an editable install at the tree."""
        self._add_library(build_data)
        if version == "editable":
            self._add_examples(build_data)
        else:
            self._add_compiled(build_data)

    def _add_library(self, build_data: dict[str, Any]) -> None:
        builder = self._script("native/build.py")
        if not builder.is_fresh() and builder.build_or_explain() is None:
            reason = builder.TARGET.joinpath(builder.REASON).read_text("utf-8")
            sys.stderr.write(f"hxGrid is built without native tasks: {reason}")
        # Git ignores what is compiled, and hatch leaves out what git ignores.
        build_data["artifacts"] += [f"hxgrid/_native/{name}" for name in builder.artifacts()]
        if builder.is_fresh():
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform}"
            build_data["pure_python"] = False

    def _add_compiled(self, build_data: dict[str, Any]) -> None:
        compiler = self._script("scripts/compile_modules.py")
        folder = Path(self.root) / "build" / "compiled"
        if "tag" not in build_data or not compiler.is_fresh(folder):
            return
        # The tag stays: another version of Python overlooks the extensions and takes the sources.
        for path in compiler.extensions(folder):
            build_data["force_include"][str(folder / path)] = path.as_posix()

    def _script(self, name: str) -> Any:
        path = Path(self.root) / name
        spec = importlib.util.spec_from_file_location(f"hxgrid_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def _add_examples(self, build_data: dict[str, Any]) -> None:
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
