"""`python -m hxgrid` and the script `hxgrid`: what happens before anything is imported."""

from __future__ import annotations

import sys
from importlib import metadata
from types import ModuleType

import pytest

from hxgrid import __main__ as program


class InterruptedModule(ModuleType):
    """A module during whose import Ctrl-C was pressed."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


def test_ctrl_c_during_imports_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hxgrid.cli.main", InterruptedModule("hxgrid.cli.main"))
    monkeypatch.setattr(sys, "argv", ["hxgrid", "agents"])
    assert program.main() == 130


def test_the_script_begins_there_too() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="hxgrid")
    assert script.value == "hxgrid.__main__:main"
