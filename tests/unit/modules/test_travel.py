"""How functions travel: by reference, as source, or by value with the source they refer to."""

from __future__ import annotations

import importlib
import math
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cloudpickle
import lz4.frame
import pytest

from hxgrid.errors import ModuleError
from hxgrid.modules import pickling, travel

APP = """
import functools, math, json
import {helper}
from {package}.part import CONSTANT

def plain(x):
    return {helper}.twice(x) + CONSTANT

def make_closure(n):
    def inner(x):
        return plain(x) + n
    return inner

class Thing:
    def method(self, x):
        return x

partial = functools.partial(plain)
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A small application of its own: app.py, helper.py and a package that it imports."""
    before = set(sys.modules)
    helper, package, name = "travel_helper", "travel_package", "travel_app"
    (tmp_path / f"{helper}.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "part.py").write_text("CONSTANT = 1\n")
    (tmp_path / package / "table.csv").write_text("1,2\n")
    (tmp_path / f"{name}.py").write_text(APP.format(helper=helper, package=package))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(name)
    for module in set(sys.modules) - before:
        del sys.modules[module]


ALL_FILES = [
    "travel_app.py",
    "travel_helper.py",
    "travel_package/__init__.py",
    "travel_package/part.py",
    "travel_package/table.csv",
]


def names(plan: travel.Travel) -> list[str]:
    return sorted(name for name, _ in plan.files)


def test_a_function_of_the_own_tree_travels_as_source_with_all_own_imports(
    app: ModuleType,
) -> None:
    plan = travel.plan(app.plain)
    assert (plan.kind, plan.module, plan.entry) == ("source", "travel_app", "plain")
    assert names(plan) == ALL_FILES


def test_a_closure_travels_by_value_with_the_source_it_refers_to(app: ModuleType) -> None:
    plan = travel.plan(app.make_closure(3))
    assert plan.is_by_value
    assert names(plan) == ALL_FILES


@pytest.mark.parametrize("name", ["partial", "bound"])
def test_partials_and_bound_methods_travel_by_value(app: ModuleType, name: str) -> None:
    callable_ = app.partial if name == "partial" else app.Thing().method
    plan = travel.plan(callable_)
    assert plan.is_by_value
    assert "travel_app.py" in names(plan)
    assert callable(cloudpickle.loads(plan.pickled))


def test_a_lambda_travels_by_value() -> None:
    assert travel.plan(lambda x: x).is_by_value


def test_a_function_of_main_travels_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(x: int) -> int:
        return x

    monkeypatch.setattr(work, "__module__", "__main__")
    monkeypatch.setattr(work, "__qualname__", "work")
    plan = travel.plan(work)
    assert plan.is_by_value
    assert plan.label == "__main__.work"


@pytest.mark.parametrize(
    ("function", "module"), [(math.sqrt, "math"), (pow, "builtins"), (Path.exists, "pathlib")]
)
def test_the_standard_library_travels_by_name_alone(function: object, module: str) -> None:
    assert callable(function)
    plan = travel.plan(function)
    assert (plan.kind, plan.module, plan.distribution) == ("installed", module, "")
    assert plan.files == ()


def test_an_installed_function_travels_by_name_and_version() -> None:
    plan = travel.plan(lz4.frame.open)
    assert plan.kind == "installed"
    assert plan.distribution == "lz4"
    assert plan.distribution_version[0].isdigit()


def test_what_cannot_be_pickled_is_an_error_that_names_the_function() -> None:
    lock = threading.Lock()

    def waits() -> bool:
        return lock.locked()

    with pytest.raises(ModuleError, match=r"waits.*pickling it failed"):
        travel.plan(waits)


def test_the_source_of_argument_classes_is_found(app: ModuleType) -> None:
    _, modules = pickling.dumps(app.Thing())
    packages = travel.own_packages(modules)
    assert packages == {"travel_app"}
    assert sorted(name for name, _ in travel.source_of(packages)) == ALL_FILES
