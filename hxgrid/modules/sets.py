"""Module sets: the files that travel together so that one function can run somewhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from hxgrid.errors import ModuleError
from hxgrid.modules.unpack import check_path

AnyPath = str | os.PathLike[str]

ANY_PLATFORM = "any"


class ModuleSet:
    """Files of task code: the first holds the function, the others are what it needs.

    `files` are paths on this computer; each travels under its own name, original case kept. To
    keep folders, give `root`: names are then relative to it. With `variants`, the set has further
    files per platform (`sys.platform` values, such as "linux" or "win32", or with a processor, such
    as "linux-x86_64"), and an agent gets those of its own; an agent for which there is no variant
    gets no such task. Shared libraries tell for themselves what they are for.

    Files are read when the first task that uses them is submitted. Raises `ModuleError` if a
    file is missing, is not a file, or if two files would have one name.
    """

    __slots__ = ("_files", "_variants", "root")

    def __init__(
        self,
        files: AnyPath | Iterable[AnyPath] = (),
        *,
        root: AnyPath | None = None,
        variants: Mapping[str, AnyPath | Iterable[AnyPath]] | None = None,
    ) -> None:
        self.root = None if root is None else Path(root)
        self._files = _paths(files)
        self._variants = {name: _paths(paths) for name, paths in (variants or {}).items()}
        if not self._files and not self._variants:
            raise ModuleError("a module set has no files")

    def __repr__(self) -> str:
        return f"ModuleSet({[str(path) for path in self._files]!r}, {self.platforms!r})"

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms it has variants for; `("any",)` if it has none."""
        return tuple(self._variants) or (ANY_PLATFORM,)

    def files(self, platform: str = ANY_PLATFORM) -> tuple[tuple[str, Path], ...]:
        """The files for one platform, the function's first: (name to travel under, path)."""
        paths = self._variants.get(platform, ()) + self._files
        named: dict[str, Path] = {}
        for path in paths:
            name = self._name(path)
            if name in named and named[name] != path:
                raise ModuleError(
                    f"two files of a module set have the name {name!r}",
                    why=f"{named[name]} and {path}",
                    advice="Give the folder that holds both as root=.",
                )
            named[name] = path
        return tuple(named.items())

    def _name(self, path: Path) -> str:
        if not path.is_file():
            raise ModuleError(f"module file {str(path)!r} does not exist or is not a file")
        name = path.name
        if self.root is not None:
            try:
                name = PurePath(path.resolve().relative_to(self.root.resolve())).as_posix()
            except ValueError:
                raise ModuleError(
                    f"module file {str(path)!r} is not below root {str(self.root)!r}"
                ) from None
        check_path(name)
        return name


def _paths(files: AnyPath | Iterable[AnyPath]) -> tuple[Path, ...]:
    if isinstance(files, (str, os.PathLike)):
        return (Path(files),)
    return tuple(Path(path) for path in files)
