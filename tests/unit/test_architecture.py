"""What the import rules cannot see: what is really loaded, and what lies where."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hxgrid

ROOT = Path(__file__).parents[2]
SEARCHED = [ROOT, ROOT / "agent", ROOT / "coordinator"]
CORES = ["hxgrid.user.core", "hxgrid_agent.core", "hxgrid_coordinator.core"]


def modules_of(package: str) -> list[str]:
    folder = Path(*package.split("."))
    base = next(root / folder for root in SEARCHED if (root / folder).is_dir())
    return [package, *(f"{package}.{file.stem}" for file in sorted(base.glob("[!_]*.py")))]


def loaded_by(*modules: str) -> set[str]:
    """Import modules in a fresh interpreter and return the top-level names it has then."""
    code = f"import sys, {', '.join(modules)}; print(*{{m.split('.')[0] for m in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.parametrize("core", CORES)
def test_a_core_loads_without_sockets(core: str) -> None:
    assert (
        loaded_by(*modules_of(core)) & {"zmq", "asyncio"} == set()
    )  # pydantic itself loads socket


def test_importing_the_package_loads_neither_zmq_nor_pydantic() -> None:
    assert loaded_by("hxgrid") & {"zmq", "pydantic", "numpy", "rich", "asyncio"} == set()


def test_the_bridge_starts_without_a_command_line() -> None:
    loaded = loaded_by("hxgrid.bridge.server", "hxgrid.bridge.opening")
    assert loaded & {"click", "rich", "numpy"} == set()


def test_the_public_names_are_there_when_asked_for() -> None:
    for name in hxgrid.__all__:
        assert getattr(hxgrid, name) is not None
    assert set(hxgrid.__all__) <= set(dir(hxgrid))


def test_an_unknown_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hxgrid' has no attribute 'nonsense'"):
        hxgrid.nonsense  # noqa: B018


@pytest.mark.parametrize("folder", ["agent", "coordinator"])
def test_no_python_file_lies_beside_the_package_of_a_role(folder: str) -> None:
    assert [path.name for path in (ROOT / folder).iterdir() if path.suffix == ".py"] == []


def test_every_package_says_that_it_is_typed() -> None:
    for package in ("hxgrid", "agent/hxgrid_agent", "coordinator/hxgrid_coordinator"):
        assert (ROOT / package / "py.typed").is_file()


def test_the_examples_use_the_public_api_only() -> None:
    private = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "examples").rglob("*.py"))
        for name in imported_names(path)
        if name.split(".")[0] in {"hxgrid_agent", "hxgrid_coordinator"}
        or name.startswith("hxgrid.")
    ]
    assert private == []


def imported_names(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
    return names
