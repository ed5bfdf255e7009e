"""What becomes of a job when task code takes its host process down, or does not let go of it."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import hxgrid
from tests.harness.wait import Stopwatch, wait_until
from tests.native import building, grid
from tests.native.grid import milliseconds, number_of, output_of, submit

pytestmark = pytest.mark.slow

GROWTH_BYTES = 1 << 30
"""Before an agent whose owner keeps the rest for himself must do something."""
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")

THROWING = """
#include <stdexcept>
#include <hxgrid/hxGridInterface.h>
extern "C" HXG_EXPORT bool Crash(IAgent *, DWORD, VITALENGINE::IGenericStream *,
                                 VITALENGINE::IGenericStream *) {
  throw std::runtime_error("nobody catches this");
}
"""
RAISING = """
library raising;
uses cthreads, SysUtils, I_GenericStream, I_Agent;
function Crash(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream): boolean;
  cdecl;
begin
  raise Exception.Create('nobody catches this');
  result := true;
end;
exports Crash;
begin end.
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grid.modules(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="module")
def wide() -> Iterator[hxgrid.Session]:
    with hxgrid.connect("local", slots=3) as made:
        yield made


def throwing(folder: Path) -> Path:
    source = folder / "throwing.cpp"
    source.write_text(THROWING)
    return building.cpp_module(folder, source)


def raising(folder: Path) -> Path:
    source = folder / "raising.pas"
    source.write_text(RAISING)
    return building.pascal_module(folder, source)


def failure_of(task: hxgrid.Task, limit_s: float = grid.LIMIT_S) -> hxgrid.TaskFailed:
    with pytest.raises(hxgrid.TaskFailed) as caught:
        task.result(limit_s)
    return caught.value


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("Segfault", "SIGSEGV"),
        ("Abort", "SIGABRT"),
        ("Exit", "exit()"),
        ("Overflow", "SIGSEGV"),
    ],
)
def test_a_crash_costs_the_one_who_did_it(
    wide: hxgrid.Session, plain: Path, module: Path, function: str, words: str
) -> None:
    innocent = [submit(wide, module, "Linger", milliseconds(150)) for _ in range(6)]
    culprit = submit(wide, plain, function)
    innocent += [submit(wide, module, "Linger", milliseconds(150)) for _ in range(6)]
    text = str(failure_of(culprit))
    assert words in text
    assert f"plain.so:{function}" in text
    assert "on agent" in text
    assert [record.outcome for record in culprit.attempts] == ["crashed"] * 3
    for task in innocent:
        number_of(task)
        assert {record.outcome for record in task.attempts} <= {"done", "lost", "recalled"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(throwing, "SIGABRT", marks=pytest.mark.system("g++")),
        pytest.param(raising, "exit code 217", marks=pytest.mark.system("fpc")),
    ],
    ids=["cpp", "pascal"],
)
def test_an_exception_that_leaves_a_task_is_a_crash(
    wide: hxgrid.Session,
    module: Path,
    tmp_path: Path,
    make: Callable[[Path], Path],
    words: str,
) -> None:
    library = make(tmp_path)
    innocent = [submit(wide, module, "Linger", milliseconds(150)) for _ in range(6)]
    culprit = submit(wide, library, "Crash")
    assert words in str(failure_of(culprit))
    assert all(number_of(task) for task in innocent)


def test_another_host_stands_ready_when_one_dies(wide: hxgrid.Session, module: Path) -> None:
    # That is why one is back at once; benchmarks/native_tasks.py has the figure.
    first = number_of(submit(wide, module, "Linger"))
    wait_until(lambda: len(grid.processes("host")) >= 2, grid.LIMIT_S, "a spare host")
    spares = {process.pid for process in grid.processes("host")} - {first}
    psutil.Process(first).kill()
    assert number_of(submit(wide, module, "Linger")) in spares


def test_when_nobody_knows_who_it_was_suspects_are_tried_alone(
    wide: hxgrid.Session, module: Path
) -> None:
    innocent = [submit(wide, module, "Linger", milliseconds(2000)) for _ in range(2)]
    culprit = submit(wide, module, "Vanish", milliseconds(500))
    assert "SIGKILL" in str(failure_of(culprit))
    assert [record.outcome for record in culprit.attempts] == ["lost", *["crashed"] * 3]
    hosts = {number_of(task) for task in innocent}
    assert len(hosts) == 2, "each was tried alone"
    for task in innocent:
        assert [record.outcome for record in task.attempts] == ["lost", "done"]


def test_a_hang_ends_with_its_time_limit(wide: hxgrid.Session, module: Path) -> None:
    innocent = [submit(wide, module, "Linger", milliseconds(100)) for _ in range(10)]
    hanging = submit(wide, module, "Deaf", milliseconds(600_000), time_limit_s=0.5)
    assert "time limit" in str(failure_of(hanging))
    assert all(number_of(task) for task in innocent)


@pytest.mark.timeout(400)
def test_memory_growth_without_end_costs_the_one_who_grows(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = psutil.virtual_memory().available - GROWTH_BYTES
    monkeypatch.setenv("HXGRID_AGENT_MEMORY_RESERVE_BYTES", str(reserve))
    with hxgrid.connect("local", slots=3) as session:
        innocent = [submit(session, module, "Linger", milliseconds(10_000)) for _ in range(2)]
        culprit = submit(session, module, "Grow")
        text = str(failure_of(culprit, 300))
        assert "ran short" in text
        assert "libgrid.so:Grow" in text
        assert "on agent" in text
        # What is refused while memory is short does not count either.
        assert counted(culprit) == ["lost", *["crashed"] * 3]
        for task in innocent:
            task.result(120)
            assert counted(task) == ["lost", "done"]
        number_of(submit(session, module, "Linger"))


def counted(task: hxgrid.Task) -> list[str]:
    return [record.outcome for record in task.attempts if record.outcome != "refused"]


@pytest.mark.skipif(not CORE_PATTERN.exists(), reason="memory images are a matter of Linux here")
def test_the_report_says_where_the_memory_image_is(plain: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    # Processes get it from those that start them: this one, its agent, the host.
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with hxgrid.connect("local", slots=1) as session:
            text = str(failure_of(submit(session, plain, "Segfault"), 100))
            assert "its memory image" in text
            path = re.search(r"its memory image is (.+?)\)", text)
            if CORE_PATTERN.read_text().startswith("|"):
                assert "its memory image went to" in text
            elif path is not None:
                assert Path(path[1]).read_bytes()[:4] == b"\x7fELF"
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_a_cancelled_task_that_asks_is_gone_at_once(module: Path, tmp_path: Path) -> None:
    with hxgrid.connect("local", slots=1) as session:
        number_of(submit(session, module, "Linger"))
        times = []
        for turn in range(5):
            grid.begun(session, module, "Linger", tmp_path / str(turn), 600_000)
            watch = Stopwatch()
            assert session.cancel_tasks() == []
            times.append(watch.elapsed_s())
        assert min(times) < 0.05


def test_an_attempt_that_ignores_its_end_takes_no_innocent_one_with_it(
    wide: hxgrid.Session, module: Path, tmp_path: Path
) -> None:
    deaf = grid.begun(wide, module, "Deaf", tmp_path / "deaf", 600_000)
    innocent = grid.begun(wide, module, "Linger", tmp_path / "innocent", 4000)
    deaf.cancel()
    # Once its grace time is over, others find a fresh host while the old one waits.
    hosts: set[int] = set()

    def has_changed() -> bool:
        hosts.add(number_of(submit(wide, module, "Linger", milliseconds(50))))
        return len(hosts) == 2

    wait_until(has_changed, 10, "a fresh host")
    assert innocent.state == "running"
    old = number_of(innocent)
    assert old in hosts
    assert [record.outcome for record in innocent.attempts] == ["done"]
    wait_until(lambda: not psutil.pid_exists(old), 10, "the old host to be killed")


def test_cancelling_everything_kills_what_does_not_stop(module: Path, tmp_path: Path) -> None:
    with hxgrid.connect("local", slots=2) as session:
        for turn in range(2):
            grid.begun(session, module, "Deaf", tmp_path / str(turn), 600_000)
        watch = Stopwatch()
        assert session.cancel_tasks() == []
        assert watch.elapsed_s() < 5.0


def test_the_end_of_a_session_does_not_wait_for_the_deaf(module: Path, tmp_path: Path) -> None:
    session = hxgrid.connect("local", slots=2)
    grid.begun(session, module, "Deaf", tmp_path / "deaf", 600_000)
    watch = Stopwatch()
    session.close(cancel=True)
    assert watch.elapsed_s() < 5.0


def test_output_of_a_crash_is_told(wide: hxgrid.Session, tmp_path: Path) -> None:
    source = tmp_path / "talking.cpp"
    source.write_text(
        "#include <cstdio>\n#include <cstdlib>\n#include <hxgrid/hxGridInterface.h>\n"
        'extern "C" HXG_EXPORT bool Talk(IAgent *, DWORD, VITALENGINE::IGenericStream *,\n'
        "    VITALENGINE::IGenericStream *) {\n"
        '  std::puts("my last words");\n  std::abort();\n}\n'
    )
    library = building.cpp_module(tmp_path, source)
    assert "my last words" in str(failure_of(submit(wide, library, "Talk")))


def test_python_tasks_do_not_notice(wide: hxgrid.Session, plain: Path, tmp_path: Path) -> None:
    python = tmp_path / "task.py"
    python.write_text("def run(agent, session_id, i, o):\n    o.write(i.read())\n")
    tasks = [submit(wide, python, "run", b"x") for _ in range(20)]
    failure_of(submit(wide, plain, "Abort"))
    assert all(output_of(task) == b"x" for task in tasks)
