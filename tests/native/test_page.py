"""The page and the layouts that Python and C describe, each in its own words: they must agree."""

from __future__ import annotations

import re
from typing import Any

from hxgrid import _native
from hxgrid.tasks import page
from hxgrid.wire.messages import Outcome
from hxgrid_agent.execution import frames
from tests.native import building
from tests.native.driver import ffi


def test_the_page_of_a_host_begins_as_that_of_every_task_process(lib: Any) -> None:
    assert lib.HXG_PAGE_FLAGS_AT == page.FLAGS_AT
    assert lib.HXG_PAGE_RING == page.RING
    assert lib.HXG_PAGE_CRASH_AT >= page.PAGE_BYTES
    ours = page.SharedPage()
    assert ours.flags[lib.HXG_PAGE_STATE_AT] == 0
    ours.suspend(True)
    assert ours.flags[lib.HXG_PAGE_STATE_AT] == lib.HXG_STATE_SUSPENDED
    ours.cancel(5000)
    assert ours.flags[lib.HXG_PAGE_FLAGS_AT + 5000 % lib.HXG_PAGE_RING] == 1


def test_the_rest_of_the_page_fits(lib: Any) -> None:
    assert lib.HXG_PAGE_CRASH_AT + ffi.sizeof("hxg_crash") <= lib.HXG_PAGE_THREADS_AT
    end = lib.HXG_PAGE_THREADS_AT + lib.HXG_PAGE_THREADS * ffi.sizeof("hxg_stamp")
    assert end <= lib.HXG_PAGE_BYTES


def test_outcomes_have_the_numbers_of_the_wire(lib: Any) -> None:
    for name in ("DONE", "FAILED", "CANCELLED", "NOT_STARTED", "UNUSABLE"):
        assert getattr(lib, f"HXG_OUTCOME_{name}") == Outcome[name]


def test_records_have_the_sizes_of_the_frames() -> None:
    source = (building.SOURCES / "task" / "batch.c").read_text(encoding="utf-8")
    sizes = dict(re.findall(r"(RUN_BYTES|RESULT_BYTES) = (\d+)", source))
    assert int(sizes["RUN_BYTES"]) == frames._RUN.size
    assert int(sizes["RESULT_BYTES"]) == frames._RESULT.size


def test_the_declarations_are_those_of_the_sources() -> None:
    text = _native.declarations()
    assert "HXG_API" not in text
    assert "hxg_host_create" in text
    assert "HxAgentVtbl" in text
