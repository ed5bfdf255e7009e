"""Mandelbrot's module: tasks do not wait for one another longer than they are wanted.

What tasks share and let go is shown in test_sharing.py; this module does it by the same class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hxgrid_examples.mandelbrot import library, mb_task
from hxgrid_examples.mandelbrot.drawing import Drawing
from hxgrid_examples.mandelbrot.mb_task import Request, Tile
from hxgrid_examples.mandelbrot.reference import make_reference
from hxgrid_examples.mandelbrot.view import parse_view

from tests.harness.wait import wait_until
from tests.native.driver import SESSION, Driver, ffi

DONE, CANCELLED = 0, 4
EDGE = 8
VIEW = parse_view("0", "1", "1e30", EDGE, EDGE)
LIMIT = 300
OLD, NEW = "picture 1", "picture 2"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference, as it travels to agents."""
    path = tmp_path_factory.mktemp("references") / "reference"
    path.write_bytes(make_reference(VIEW, LIMIT))
    return path


@pytest.fixture
def slots(crowd: Driver) -> Iterator[Driver]:
    """Eight slots that run the module."""
    module = library.load().path
    crowd.offer(1, module, "RunTask")
    yield crowd
    # Modules stay loaded, so the next test has this one; and here, too, a task may still wait.
    crowd.set_state(crowd.lib.HXG_STATE_ENDING)
    ffi.dlopen(str(module)).EndSession(ffi.NULL, SESSION)


def request(name: str) -> Request:
    asked = Drawing(VIEW, LIMIT).request(Tile(0, 0, EDGE, EDGE), wants_steps=False)
    return replace(asked, reference=name)


def expected(reference: Path) -> bytes:
    answer: bytes = mb_task.compute(request(OLD), reference.read_bytes(), lambda: True)
    return answer


def begin(slots: Driver, name: str, *serials: int) -> None:
    """Queue tasks, and wait until all of them run and somebody has asked for the reference."""
    running = slots.running() | set(serials)
    for serial in serials:
        slots.run(serial, 1, request(name).pack())
    wait_until(lambda: slots.running() == running, 10, "the tasks to run")
    slots.pump(lambda: name in [each for _, each in slots.wanted])


def test_a_task_that_waits_for_the_reference_can_be_cancelled(
    slots: Driver, reference: Path
) -> None:
    begin(slots, OLD, 1)
    begin(slots, OLD, 2, 3)
    slots.cancel(2)
    slots.cancel(3)
    assert [each.outcome for each in slots.wait_for(2, 3)] == [CANCELLED, CANCELLED]
    ((number, _),) = slots.wanted
    slots.answer(number, str(reference))
    assert slots.wait_for(1)[0].output == expected(reference)


def test_a_new_picture_does_not_wait_for_the_one_before(slots: Driver, reference: Path) -> None:
    begin(slots, OLD, 1, 2)
    begin(slots, NEW, 3, 4)
    (old, _), (new, _) = slots.wanted
    slots.answer(new, str(reference))
    assert [each.output for each in slots.wait_for(3, 4)] == [expected(reference)] * 2
    slots.answer(old, str(reference))
    assert [each.output for each in slots.wait_for(1, 2)] == [expected(reference)] * 2
    # That the old one came last does not make it the newest.
    slots.forget(None)
    slots.run(5, 1, request(NEW).pack())
    assert slots.wait_for(5)[0].outcome == DONE
    assert len(slots.wanted) == 2
