"""How a Python callable of the application gets to an agent: decided here, without importing it.

* By **reference**, if it lives in the standard library or in an installed distribution: name and
  version travel, and an agent with another version refuses.
* As **source**, if it is importable from the application's own source tree: its top-level package
  (or module) travels as files, with every other own package that those files import.
* By **value**, if it cannot be imported elsewhere: from `__main__`, a notebook, a lambda, a
  closure, a bound method, a partial. It is pickled by cloudpickle, and the own packages that the
  pickle refers to travel with it as source.

"Own" means: a file that is neither the standard library's nor below a `site-packages` folder. An
editable install counts as own, because no other computer has what it points to.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hxgrid.errors import ModuleError
from hxgrid.modules import pickling

MAX_TREE_FILES = 5_000
MAX_TREE_BYTES = 256 * 1024 * 1024
"""Of one top-level package; what is larger should be installed on the agents."""

_SKIPPED = frozenset({"__pycache__", ".git", ".hg", ".venv", "node_modules", ".mypy_cache"})


@dataclass(frozen=True, slots=True)
class Travel:
    """Everything that an offer of the function must say."""

    kind: Literal["pickle", "source", "installed"]
    label: str
    module: str = ""
    entry: str = ""
    distribution: str = ""
    distribution_version: str = ""
    pickled: bytes = b""
    files: tuple[tuple[str, Path], ...] = field(default=())
    """Source files: (name to travel under, path here)."""

    @property
    def is_by_value(self) -> bool:
        """Say whether code objects travel, which only the same Python minor version reads."""
        return self.kind == "pickle"


def plan(function: Callable[..., Any]) -> Travel:
    """Decide how this callable travels. Raises `ModuleError` if it cannot."""
    label = _label(function)
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "")
    if isinstance(module, str) and _is_importable(function, module, name):
        origin = _origin(module)
        if origin is None or not _is_own(origin):
            distribution, version = _distribution(module)
            return Travel("installed", label, module, name, distribution, version)
        return Travel("source", label, module, name, files=tuple(_trees([module])))
    return _by_value(function, label)


def _by_value(function: Callable[..., Any], label: str) -> Travel:
    try:
        pickled, modules = pickling.dumps(function)
    except Exception as error:
        raise ModuleError(
            f"function {label} cannot travel to the agents",
            why=f"pickling it failed: {error}",
            advice="Do not refer to locks, sockets, threads or generators in it.",
        ) from error
    return Travel("pickle", label, pickled=pickled, files=tuple(_trees(sorted(modules))))


def own_packages(modules: Iterable[str]) -> frozenset[str]:
    """The top-level packages among these modules that agents cannot have by themselves."""
    tops = {module.partition(".")[0] for module in modules}
    return frozenset(top for top in tops if _is_own_package(top))


def version_of(top: str) -> str:
    """Version of the distribution that an installed top-level package belongs to; empty: none."""
    try:
        return _distribution(top)[1]
    except ModuleError:
        return ""


def source_of(packages: Iterable[str]) -> tuple[tuple[str, Path], ...]:
    """The files of own packages and of all own packages that they import."""
    return tuple(_trees(sorted(packages)))


@functools.cache
def _is_own_package(top: str) -> bool:
    return bool(_tree(top))


def _label(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}.{name}"


def _is_importable(function: Callable[..., Any], module: str, name: str) -> bool:
    """Say whether `module` and `name` lead back to this very object, outside `__main__`."""
    if module in ("__main__", "__mp_main__") or "<" in name or not name:
        return False
    found: Any = sys.modules.get(module)
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        return False
    return found is function and (_origin(module) is None or _spec_leads_to(module))


def _spec_leads_to(module: str) -> bool:
    """Say whether an import by that name finds the file that the loaded module came from."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return False
    return spec is not None and spec.origin is not None and Path(spec.origin) == _origin(module)


def _origin(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if isinstance(file, str) else None


@functools.cache
def _installed_roots() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in names})


def _is_own(origin: Path) -> bool:
    path = origin.resolve()
    if any(part in ("site-packages", "dist-packages") for part in path.parts):
        return False
    return not any(path.is_relative_to(root) for root in _installed_roots())


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return {top: list(names) for top, names in importlib.metadata.packages_distributions().items()}


def _distribution(module: str) -> tuple[str, str]:
    """Name and version of the distribution of an installed module; empty for the library's."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top == "builtins":
        return "", ""
    for name in _distributions().get(top, ()):
        return name, importlib.metadata.version(name)
    raise ModuleError(
        f"module {module!r} is installed here but belongs to no distribution",
        where=str(_origin(module)),
        advice="Install it with pip, or move its file to the folder of your program.",
    )


def _trees(modules: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Files of the own top-level packages of these modules and of all that they import."""
    waiting = [module.partition(".")[0] for module in modules]
    seen: set[str] = set()
    while waiting:
        top = waiting.pop(0)
        if top in seen:
            continue
        seen.add(top)
        for name, path in _tree(top):
            yield name, path
            if path.suffix == ".py":
                waiting.extend(_imports(path))


def _tree(top: str) -> list[tuple[str, Path]]:
    """The files of one top-level module or package, if it is own; else none."""
    if top in sys.stdlib_module_names or top == "hxgrid":
        return []
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        return [item for folder in folders if _is_own(folder) for item in _folder(top, folder)]
    if spec.origin is None or not Path(spec.origin).is_file() or not _is_own(Path(spec.origin)):
        return []
    return [(Path(spec.origin).name, Path(spec.origin))]


def _folder(top: str, folder: Path) -> list[tuple[str, Path]]:
    found = []
    total = 0
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or path.suffix == ".pyc" or _SKIPPED.intersection(inside.parts):
            continue
        found.append((f"{top}/{inside.as_posix()}", path))
        total += path.stat().st_size
        if len(found) > MAX_TREE_FILES or total > MAX_TREE_BYTES:
            raise ModuleError(
                f"package {top!r} is too large to travel",
                where=str(folder),
                why=f"over {MAX_TREE_FILES} files or {MAX_TREE_BYTES >> 20} MiB",
                advice="Move its data elsewhere, or install the package on the agents.",
            )
    return found


@functools.lru_cache(maxsize=4096)
def _imports_of(path: Path, _changed_at: float) -> tuple[str, ...]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return tuple(sorted(names))


def _imports(path: Path) -> tuple[str, ...]:
    return _imports_of(path, path.stat().st_mtime)
