"""What a module name of a native application means: files on this computer.

A name is a path or a list of paths with commas, the first of which holds the function. A path that
is not there is looked for beside the application's program, as the original did. Where the first is
a library, its name serves every system: of `picalculator_task.dll` the files for the other
systems are found too (`picalculator_task.so`, `libpicalculator_task.so`, `.dylib`), and each agent
gets the one for its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hxgrid.errors import ModuleError
from hxgrid.modules.sets import ModuleSet

_SUFFIXES: Final = {"linux": ".so", "win32": ".dll", "darwin": ".dylib"}


def find_modules(names: str, program_folder: str) -> list[Path] | ModuleSet:
    """Return the files that a module name stands for; `ModuleError` says which is missing."""
    parts = [part for part in (part.strip() for part in names.split(",")) if part]
    if not parts:
        raise ModuleError("a task needs the name of a module")
    others = [_existing(part, program_folder) for part in parts[1:]]
    first = _find(parts[0], program_folder)
    if first is not None and first.suffix not in _SUFFIXES.values():
        return [first, *others]
    variants = _variants(parts[0], program_folder)
    if not variants:
        if first is None:
            raise _missing(parts[0], program_folder)
        return [first, *others]
    return ModuleSet(others, variants=variants)


def _variants(name: str, program_folder: str) -> dict[str, Path]:
    """Return the libraries of this name, by the system that they are for."""
    path = Path(name)
    stem = path.stem if path.suffix in _SUFFIXES.values() else path.name
    bare = stem.removeprefix("lib")
    found: dict[str, Path] = {}
    for platform, suffix in _SUFFIXES.items():
        for candidate in (f"{stem}{suffix}", f"lib{bare}{suffix}", f"{bare}{suffix}"):
            library = _find(str(path.with_name(candidate)), program_folder)
            if library is not None:
                found[platform] = library
                break
    return found


def _existing(name: str, program_folder: str) -> Path:
    path = _find(name, program_folder)
    if path is None:
        raise _missing(name, program_folder)
    return path


def _find(name: str, program_folder: str) -> Path | None:
    # Sources written on Windows separate folders in their own way.
    spellings = dict.fromkeys((name, name.replace("\\", "/")))
    for folder in ("", program_folder):
        for spelling in spellings:
            path = Path(folder, spelling)
            if path.is_file():
                return path.absolute()
    return None


def _missing(name: str, program_folder: str) -> ModuleError:
    return ModuleError(
        f"module file {name!r} does not exist",
        why=f"looked for in {Path.cwd()} and in {program_folder or 'no other folder'}",
    )
