"""Results of compiled modules, found again by the next run of the program."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import hxgrid
from tests.native import grid
from tests.native.grid import output_of, submit


class Run(NamedTuple):
    """What one run of an application saw."""

    outputs: list[bytes]
    outcomes: list[str]


def run(journal: Path, module: Path, function: str, inputs: list[bytes], data: bytes = b"") -> Run:
    """Run the same tasks as always, as a program that starts again does."""
    with hxgrid.connect("local", slots=2, journal=journal) as session:
        session.bind_get_data(lambda _name: data)
        tasks = [submit(session, module, function, each) for each in inputs]
        outputs = [output_of(task) for task in tasks]
        return Run(outputs, [task.attempts[-1].outcome for task in tasks])


def test_a_compiled_module_runs_again_only_when_it_has_changed(tmp_path: Path) -> None:
    journal, inputs = tmp_path / "journal", [b"one", b"two", b"two"]
    for version in (1, 2):
        module = grid.modules(tmp_path / f"build-{version}", version)
        for outcome in ("done", "replayed"):
            made = run(journal, module, "Version", inputs)
            assert made.outcomes == [outcome] * 3
            assert made.outputs == [struct.pack("<I", version)] * 3


def test_what_a_native_task_made_of_data_counts_only_for_the_same_data(
    tmp_path: Path, plain: Path
) -> None:
    journal = tmp_path / "journal"
    for data, outcome in ((b"cube", "done"), (b"cube", "replayed"), (b"ball", "done")):
        made = run(journal, plain, "Data", [b"mesh"] * 4, data)
        assert made.outcomes == [outcome] * 4
        assert {output[4:8] for output in made.outputs} == {data}
