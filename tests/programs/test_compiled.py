"""The packages as `make wheel` passes them on: compiled, and still themselves.

Compiling takes minutes; what was made of the same sources is taken again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import compile_modules

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "compiled"
PARTS = (
    *("unit/agent", "unit/streams", "unit/tasks", "unit/user", "unit/wire", "sim", "transport"),
    *("native/test_grid_tasks.py", "native/test_grid_pi.py"),
)

Run = Callable[..., str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run() -> Run:
    """Run Python with the compiled packages, and return what it says."""
    compile_modules.make(FOLDER)
    paths = os.pathsep.join([str(FOLDER), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    return run


def test_every_module_that_is_to_be_compiled_is_taken_compiled(run: Run) -> None:
    modules = compile_modules.sources(FOLDER)
    names = [".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in modules]
    assert len(names) > 40
    code = (
        "import importlib, sys; [print(importlib.import_module(n).__file__) for n in sys.argv[1:]]"
    )
    files = run("-c", code, *names).split()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    expected = [str(path.with_name(path.stem + suffix)) for path in modules]
    assert files == expected


DERIVED = """
import importlib, pkgutil, sys
import hxgrid, hxgrid_agent, hxgrid_coordinator

for package in (hxgrid, hxgrid_agent, hxgrid_coordinator):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        last = module.name.rpartition(".")[2]
        if not last.startswith("lib") and not last.endswith("windows") and last != "__main__":
            importlib.import_module(module.name)
for name, module in list(sys.modules.items()):
    if name.startswith("hxgrid") and not (module.__file__ or "").endswith(sys.argv[1]):
        for one in vars(module).values():
            if not isinstance(one, type) or one.__module__ != name or vars(one).get("_is_protocol"):
                continue
            if any("__mypyc_attrs__" in vars(base) for base in one.__mro__):
                print(name, one.__name__)
"""


def test_no_class_is_derived_from_a_compiled_one(run: Run) -> None:
    """Python raises only when such a class is used, which may be late."""
    assert run("-c", DERIVED, sysconfig.get_config_var("EXT_SUFFIX")) == ""


def test_tasks_run_on_a_grid_of_compiled_programs(run: Run) -> None:
    out = run("-m", "hxgrid", "example", "pi", "--digits", "100", "--local")
    assert "3.14159265358979" in "".join(out.split())


def test_the_tests_of_these_parts_pass(run: Run) -> None:
    run(
        *("-m", "pytest", "--quiet", "--override-ini", "pythonpath=", "--numprocesses", "auto"),
        *("-m", "not system and not slow and not replaces"),
        *(f"tests/{part}" for part in PARTS),
    )
