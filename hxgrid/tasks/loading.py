"""Getting a function out of the files that travelled, inside the task process.

Every function's files lie in a folder of their own, which is put at the front of `sys.path`, so
that they import each other by name. Two functions of a session may bring different files of one
name (a package that was edited while the session lives, two folders with a `tools.py`), but
`sys.modules` knows a name once; so before a folder is used for the first time, the modules of those
names that came from other such folders are dropped. Functions loaded before keep what they have
imported.

Nothing is kept of a load that failed: the next attempt tries again, as it might after a disk that
was full or a network folder that was away.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from hxgrid.errors import HxGridError
from hxgrid.tasks.reasons import sentence, traceback_of


class FunctionSpec(NamedTuple):
    """What a function id stands for; the fields of `FunctionOffer` that matter in the process."""

    kind: str
    entry: str = ""
    module: str = ""
    folder: str = ""
    """Where its files lie."""
    paths: tuple[str, ...] = ()
    """The files, in the order of the offer; relative to `folder`."""
    distribution: str = ""
    distribution_version: str = ""
    python_implementation: str = ""
    python_version: str = ""
    label: str = ""

    @property
    def takes_calls(self) -> bool:
        """Whether its input is a pickled batch of calls (else: streams)."""
        return self.kind != "module"


class UnusableError(Exception):
    """The function cannot be had on this computer. The text is a sentence that says what to do."""

    def __init__(self, text: str, cause: BaseException | None = None) -> None:
        super().__init__(text)
        self.trace = traceback_of(cause) if cause is not None else ""
        self.cause_name = type(cause).__name__ if cause is not None else ""


class Loader:
    """Loads functions into this process; one object per process."""

    def __init__(self) -> None:
        # Folders on `sys.path` that belong to functions.
        self._folders: set[str] = set()
        # Modules of kind `module` by path: functions of one file share its module.
        self._modules: dict[str, ModuleType] = {}

    def load(self, spec: FunctionSpec) -> tuple[Callable[..., Any], ModuleType | None]:
        """Return the function and, of kind `module`, its module; raise `UnusableError`."""
        self._check_python(spec)
        self._use_folder(spec)
        match spec.kind:
            case "module":
                module = self._load_file(spec)
                return _entry(module, spec), module
            case "source" | "installed":
                _check_distribution(spec)
                return _entry(_import(spec), spec), None
            case "pickle":
                return _unpickle(spec), None
            case _:
                raise UnusableError(
                    f"{_who(spec)} is of kind {spec.kind!r}, which {here()} cannot run; "
                    "install the same hxgrid version on both computers"
                )

    def _check_python(self, spec: FunctionSpec) -> None:
        wanted = f"{spec.python_implementation} {spec.python_version}".strip()
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        is_right = spec.python_version in ("", version) and spec.python_implementation.lower() in (
            "",
            sys.implementation.name,
        )
        if not is_right:
            raise UnusableError(
                f"{_who(spec)} travels by value and needs {wanted}, but {here()} runs it; "
                "put it into a module, or use the same Python on both computers"
            )

    def _use_folder(self, spec: FunctionSpec) -> None:
        folder = spec.folder
        if not folder or folder in self._folders:
            return
        names = {Path(path).parts[0].removesuffix(".py") for path in spec.paths if path}
        others = tuple(f"{other}{os.sep}" for other in self._folders)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if name.partition(".")[0] in names and others and file.startswith(others):
                del sys.modules[name]
        sys.path.insert(0, folder)
        self._folders.add(folder)
        importlib.invalidate_caches()

    def _load_file(self, spec: FunctionSpec) -> ModuleType:
        path = str(Path(spec.folder, spec.paths[0])) if spec.paths else ""
        module = self._modules.get(path)
        if module is None:
            module = self._modules[path] = _execute(path, spec, len(self._modules))
        return module


def here() -> str:
    """Name this computer's Python, for people who must make it fit."""
    import platform

    return f"{platform.python_implementation()} {platform.python_version()} on {platform.node()}"


def _who(spec: FunctionSpec) -> str:
    return f"function {spec.label or spec.entry or 'without a name'!r}"


def _execute(path: str, spec: FunctionSpec, number: int) -> ModuleType:
    # A name that nobody else has: a task file may well be called like a module of the library.
    name = f"_hxgrid_task_{number}_{Path(path).stem}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise UnusableError(f"{_who(spec)}: {Path(path).name!r} is not a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        raise _does_not_load(spec, Path(path).name, error) from error
    return module


def _import(spec: FunctionSpec) -> ModuleType:
    try:
        return importlib.import_module(spec.module)
    except BaseException as error:
        raise _does_not_load(spec, spec.module, error) from error


def _does_not_load(spec: FunctionSpec, module: str, error: BaseException) -> UnusableError:
    text = f"{_who(spec)}: module {module!r} does not load with {here()}: {sentence(error)}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        text += (
            f"; install {error.name.partition('.')[0]!r} for {sys.executable} there, "
            "or list its file among the task's modules"
        )
    return UnusableError(text, error)


def _entry(module: ModuleType, spec: FunctionSpec) -> Callable[..., Any]:
    value: Any = module
    for part in spec.entry.split("."):
        value = getattr(value, part, None)
    if not callable(value):
        name = spec.paths[0] if spec.kind == "module" and spec.paths else spec.module
        is_missing = value is None
        raise UnusableError(
            f"module {name!r} has no function {spec.entry!r} with {here()}; look at its spelling"
            if is_missing
            else f"{spec.entry!r} in module {name!r} is not a function ({here()})"
        )
    function: Callable[..., Any] = value
    return function


def _check_distribution(spec: FunctionSpec) -> None:
    if not spec.distribution:
        return
    from importlib import metadata

    wanted = f"{spec.distribution} {spec.distribution_version}"
    advice = f"install {spec.distribution}=={spec.distribution_version} for {sys.executable} there"
    try:
        version = metadata.version(spec.distribution)
    except metadata.PackageNotFoundError as error:
        raise UnusableError(
            f"{_who(spec)} needs {wanted}, which {here()} does not have; {advice}", error
        ) from error
    if version != spec.distribution_version:
        raise UnusableError(
            f"{_who(spec)} needs {wanted}, but {here()} has {spec.distribution} {version}; {advice}"
        )


def _unpickle(spec: FunctionSpec) -> Callable[..., Any]:
    try:
        function = pickle.loads(Path(spec.folder, spec.paths[0]).read_bytes())
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError | HxGridError | OSError):
            raise _does_not_load(spec, "its pickle", error) from error
        raise UnusableError(
            f"{_who(spec)} cannot be unpickled with {here()}: {sentence(error)}", error
        ) from error
    if not callable(function):
        raise UnusableError(f"{_who(spec)} is a {type(function).__name__} and cannot be called")
    return function  # type: ignore[no-any-return]
