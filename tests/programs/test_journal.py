"""A journal over the lives of real programs: killed, started again, changed in between."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hxgrid
from tests.harness.processes import Completed, Programs
from tests.harness.wait import wait_until

LIMIT_S = 120

APPLICATION = """
import json, sys
from pathlib import Path
import hxgrid

folder, count = Path(sys.argv[1]), int(sys.argv[2])
with hxgrid.connect("local", slots=2, journal=folder / "journal") as session:
    session.bind_get_data(lambda name: (folder / name).read_bytes())
    outputs = {}

    def finalize(task, stream):
        outputs[task.id] = stream.read().decode()
        print(json.dumps({"task": task.id}), flush=True)

    for number in range(count):
        # Equal inputs come twice: they are told apart by how often they came.
        session.run_task(folder / "work.py", "run", b"%d" % (number // 2), finalize)
    session.wait_for_completion()
    status = session.journal_status
print(json.dumps({"outputs": outputs, "replayed": status.replayed, "entries": status.entries}))
"""

WORK = """
import os, secrets, time
from pathlib import Path

# Kept from one attempt to the next, as renderers keep their scene.
_mesh = None

def run(agent, session_id, in_stream, out_stream):
    global _mesh
    if _mesh is None:
        _mesh = agent.get_data("mesh").read().decode()
    number = in_stream.read().decode()
    with open(RUNS, "a") as runs:
        runs.write(number + "\\\\n")
    time.sleep(0.01)
    out_stream.write(f"{_mesh} {number} {FACTOR}".encode())
""".replace("\\\\n", "\\n")


class Bench:
    """A folder with an application, its module, its data and its journal."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.mesh, self.factor = "cube", 1
        (folder / "app.py").write_text(APPLICATION)
        self.prepare()

    def prepare(self) -> None:
        """Write data and module as they are to be."""
        (self.folder / "mesh").write_text(self.mesh)
        names = f"RUNS = {str(self.folder / 'runs')!r}\nFACTOR = {self.factor}\n"
        (self.folder / "work.py").write_text(names + WORK)

    def start(self, count: int) -> Any:
        return self.programs.python(self.folder / "app.py", self.folder, str(count))

    def run(self, count: int) -> dict[str, Any]:
        """Run the application to its end; return what it says there."""
        done: Completed = self.start(count).wait(LIMIT_S).expect(0)
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        expected = [f"{self.mesh} {number // 2} {self.factor}" for number in range(count)]
        assert list(dict(sorted((int(k), v) for k, v in said["outputs"].items())).values()) == (
            expected
        )
        return said

    def take_runs(self) -> Counter[int]:
        """Return how often the task of each input has run since the last time."""
        path = self.folder / "runs"
        if not path.exists():
            return Counter()
        runs = Counter(int(line) for line in path.read_text().split())
        path.unlink()
        return runs


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Bench:
    return Bench(programs, tmp_path)


def test_a_killed_application_does_not_run_again_what_its_journal_has(bench: Bench) -> None:
    count = 120
    first = bench.start(count)
    wait_until(lambda: len(first.json_lines()) >= 40, LIMIT_S, "40 results")
    size = (bench.folder / "journal").stat().st_size
    first.kill()
    wait_until(lambda: not first.is_running, LIMIT_S, "the end of the application")
    bench.programs.expect_no_process_left()
    ran_first = bench.take_runs()
    assert size > 40 * 40

    said = bench.run(count)

    ran_second = bench.take_runs()
    assert said["replayed"] >= 30
    assert said["replayed"] + sum(ran_second.values()) == count
    # The last ones may not be written yet when the job is complete; closing waits for them.
    assert count - 10 <= said["entries"] <= count
    assert sum(ran_first.values()) >= said["replayed"]
    bench.programs.expect_no_process_left()


@pytest.mark.slow
def test_a_journal_cut_anywhere_is_used_as_far_as_it_is_whole(bench: Bench) -> None:
    bench.run(20)
    journal = bench.folder / "journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) * 2 // 3])
    bench.take_runs()

    said = bench.run(20)

    assert 0 < said["replayed"] < 20
    assert sum(bench.take_runs().values()) == 20 - said["replayed"]


@pytest.mark.slow
def test_changed_data_or_a_changed_module_makes_tasks_run_again(bench: Bench) -> None:
    bench.run(10)
    assert sum(bench.take_runs().values()) == 10
    bench.run(10)
    assert sum(bench.take_runs().values()) == 0

    bench.mesh = "sphere"
    bench.prepare()
    bench.run(10)
    assert sum(bench.take_runs().values()) == 10

    bench.factor = 2
    bench.prepare()
    bench.run(10)
    assert sum(bench.take_runs().values()) == 10
    bench.run(12)
    assert bench.take_runs() == {5: 2}


CALLS = """
import json, sys
import hxgrid

RUNS = sys.argv[2]
{change}
LABELS = {{"red", "green", "blue", "black"}}

def work(number, *, factor=2):
    with open(RUNS, "a") as runs:
        runs.write(f"{{number}}\\n")
    return number * factor * SCALE if "red" in LABELS else 0

def never(number):
    if number == 3:
        raise ValueError(number)
    return number

with hxgrid.connect("local", slots=2, journal=sys.argv[1]) as session:
    mapped = list(session.map(work, range(50)))
    with hxgrid.Executor(session) as executor:
        one = executor.submit(work, 7, factor=3).result()
        chunks = list(executor.map(work, range(5), chunksize=2))
        error = repr(executor.submit(never, 3).exception())
    lengths = list(session.map(len, ["a", "bb"]))
    keyed = list(session.map(len, ["a", "bb"], journal_key="1"))
    print(json.dumps([mapped, one, chunks, error, lengths, keyed, session.journal_status.replayed]))
"""


def test_calls_are_found_one_by_one_however_they_travelled(
    programs: Programs, write_script: Callable[[str, str], Path], tmp_path: Path
) -> None:
    runs, journal = tmp_path / "runs", tmp_path / "journal"

    def run(change: str) -> tuple[list[Any], int]:
        script = write_script("calls.py", CALLS.format(change=change))
        done = programs.python(script, journal, runs).wait(LIMIT_S).expect(0)
        count = len(runs.read_text().split()) if runs.exists() else 0
        runs.unlink(missing_ok=True)
        return json.loads(done.stdout.splitlines()[-1]), count

    first, count = run("SCALE = 1")
    assert first[:6] == [
        [number * 2 for number in range(50)], 21, [0, 2, 4, 6, 8], "ValueError(3)", [1, 2], [1, 2]
    ]  # fmt: skip
    assert (count, first[6]) == (56, 0)

    again, count = run("# moved by a line\nSCALE = 1")
    assert again[:6] == first[:6]
    assert (count, again[6]) == (0, 58)

    changed, count = run("SCALE = 10")
    assert changed[0] == [number * 20 for number in range(50)]
    assert count == 56
    programs.expect_no_process_left()


@pytest.mark.slow
def test_the_example_of_the_documentation_does_what_it_says(
    programs: Programs, write_script: Callable[[str, str], Path]
) -> None:
    page = (Path(__file__).parents[2] / "docs/journal.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    script = write_script("squares.py", example)
    for known in (0, 1000):
        done = programs.python(script).wait(LIMIT_S).expect(0)
        assert done.stdout == f"332833500 of which {known} were known\n"


@pytest.mark.usefixtures("own_process")
def test_two_programs_cannot_share_a_journal(tmp_path: Path) -> None:
    with (
        hxgrid.connect("local", slots=1, journal=tmp_path / "journal"),
        pytest.raises(hxgrid.ConfigError, match="in use by process"),
    ):
        hxgrid.connect("local", slots=1, journal=tmp_path / "journal")


def test_an_inline_session_says_that_it_keeps_none(tmp_path: Path) -> None:
    with pytest.raises(hxgrid.ConfigError, match="inline session keeps no journal"):
        hxgrid.connect("inline", journal=tmp_path / "x")


@pytest.mark.slow
@pytest.mark.usefixtures("own_process")
def test_large_results_come_back_whole(tmp_path: Path) -> None:
    module = tmp_path / "large.py"
    module.write_text(
        "import hashlib\n"
        "def run(agent, session_id, in_stream, out_stream):\n"
        "    seed = in_stream.read()\n"
        "    out_stream.write(hashlib.shake_128(seed).digest(3_000_000))\n"
    )
    seen = []
    for _ in range(2):
        with hxgrid.connect(
            "local",
            slots=1,
            journal=tmp_path / "journal",
            settings={"result_memory_bytes": 4_000_000},
        ) as session:
            tasks = [session.run_task(module, "run", b"%d" % seed) for seed in range(3)]
            seen.append([bytes(task.result().getbuffer()) for task in tasks if task is not None])
            outcomes = [task.attempts[-1].outcome for task in tasks if task is not None]
    assert outcomes == ["replayed"] * 3
    assert seen[0] == seen[1]
    assert len(seen[0][0]) == 3_000_000
