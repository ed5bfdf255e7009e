"""Compiled modules on a real grid: languages, names, versions, dependents, hooks."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.processes import Programs
from tests.harness.wait import wait_until
from tests.native import building, grid
from tests.native.grid import milliseconds, number_of, output_of, submit


@pytest.fixture(scope="module")
def session() -> Iterator[hxgrid.Session]:
    with hxgrid.connect("local", slots=2) as made:
        yield made


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grid.modules(tmp_path_factory.mktemp("grid"))


def test_a_task_in_c(session: hxgrid.Session, plain: Path) -> None:
    assert output_of(submit(session, plain, "Echo", b"hello")) == b"hello"


@pytest.mark.system("g++")
def test_a_task_in_cpp(session: hxgrid.Session, tmp_path: Path) -> None:
    source = tmp_path / "task.cpp"
    source.write_text(
        "#include <hxgrid/hxGridInterface.h>\n"
        'extern "C" HXG_EXPORT bool Double(IAgent *agent, DWORD session,\n'
        "    VITALENGINE::IGenericStream *in, VITALENGINE::IGenericStream *out) {\n"
        "  DWORD number = 0;\n"
        "  if (agent->TestConnection(session) != S_OK) return false;\n"
        "  if (in->Read(&number, 4) != 4) return false;\n"
        "  number *= 2;\n"
        "  out->Write(&number, 4);\n"
        "  return true;\n"
        "}\n"
    )
    library = building.cpp_module(tmp_path, source)
    assert number_of(submit(session, library, "Double", milliseconds(21))) == 42


@pytest.mark.system("fpc")
def test_a_task_in_pascal(session: hxgrid.Session, tmp_path: Path) -> None:
    source = tmp_path / "simple.pas"
    source.write_text(
        "library simple;\n"
        "uses cthreads, I_GenericStream, I_Agent;\n"
        "function Double(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream):"
        " boolean; cdecl;\n"
        "var number: DWORD;\n"
        "begin\n"
        "  number := 0;\n"
        "  inStream.Read(number, 4);\n"
        "  number := number * 2;\n"
        "  outStream.Write(number, 4);\n"
        "  result := true;\n"
        "end;\n"
        "exports Double;\n"
        "begin end.\n"
    )
    library = building.pascal_module(tmp_path, source)
    assert number_of(submit(session, library, "Double", milliseconds(21))) == 42


def test_large_inputs_and_outputs_travel_compressed_or_in_files(
    session: hxgrid.Session, plain: Path
) -> None:
    noise = b"".join(
        struct.pack("<I", (index * 2654435761) & 0xFFFFFFFF) for index in range(300_000)
    )
    for data in (b"", b"zeros" * 200_000, noise):
        assert output_of(submit(session, plain, "Echo", data)) == data


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_h4_a_hundred_thousand_small_tasks_corrupt_nothing(
    session: hxgrid.Session, plain: Path
) -> None:
    inputs = [bytes([index % 251]) * (index % 300) for index in range(10_000)]
    for _ in range(10):
        tasks = [submit(session, plain, "Echo", data) for data in inputs]
        assert all(output_of(task) == data for task, data in zip(tasks, inputs, strict=True))
        assert {each.outcome for task in tasks for each in task.attempts} <= {"done", "recalled"}


def test_h14_many_tasks_with_several_modules_start_at_once(tmp_path: Path) -> None:
    modules = [grid.modules(tmp_path, version, f"lib{version}.so") for version in (1, 2, 3)]
    with hxgrid.connect("local", slots=8) as session:
        tasks = [
            (index % 3 + 1, submit(session, modules[index % 3], "Version")) for index in range(48)
        ]
        assert all(number_of(task) == version for version, task in tasks)


def test_native_and_python_tasks_mix_in_one_job(
    session: hxgrid.Session, plain: Path, tmp_path: Path
) -> None:
    python = tmp_path / "task.py"
    python.write_text("def run(agent, session_id, i, o):\n    o.write(i.read()[::-1])\n")
    tasks = []
    for index in range(60):
        data = f"number {index}".encode()
        tasks.append((data, submit(session, plain, "Echo", data)))
        tasks.append((data[::-1], submit(session, python, "run", data)))
    assert all(output_of(task) == wanted for wanted, task in tasks)


def test_b10_a_failing_task_does_not_disturb_its_siblings(
    session: hxgrid.Session, plain: Path
) -> None:
    good = [submit(session, plain, "Echo", b"x") for _ in range(20)]
    bad = submit(session, plain, "Refuse")
    good += [submit(session, plain, "Echo", b"x") for _ in range(20)]
    with pytest.raises(hxgrid.TaskFailed, match="the task returned false"):
        bad.result(grid.LIMIT_S)
    assert all(output_of(task) == b"x" for task in good)


def test_what_a_failing_task_has_printed_is_told(session: hxgrid.Session, module: Path) -> None:
    with pytest.raises(hxgrid.TaskFailed, match="this went wrong"):
        submit(session, module, "Complain").result(grid.LIMIT_S)


def test_b14_a_task_that_keeps_references_harms_nobody(
    session: hxgrid.Session, plain: Path
) -> None:
    assert number_of(submit(session, plain, "KeepReferences", milliseconds(5))) == 7
    assert number_of(submit(session, plain, "ReleaseTooOften")) == 5
    assert output_of(submit(session, plain, "Echo", b"still there")) == b"still there"


def test_b15_data_that_looks_compressed_is_left_alone(session: hxgrid.Session, plain: Path) -> None:
    signature = struct.pack("<III", 0x94903495, 0xA40943FF, 1000) + b"no zlib stream"
    assert output_of(submit(session, plain, "Echo", signature)) == signature


def test_b34_names_may_hold_blanks_commas_quotes_and_other_letters(
    session: hxgrid.Session, tmp_path: Path
) -> None:
    module = grid.modules(tmp_path, 1, "my task, 'ü' \"x\".so")
    assert number_of(submit(session, module, "größe$x")) == 34
    with pytest.raises(hxgrid.TaskFailed, match="exports no function \"no, such 'ü'\""):
        submit(session, module, "no, such 'ü'").result(grid.LIMIT_S)


def test_b35_names_that_differ_in_case_are_different_files(
    session: hxgrid.Session, tmp_path: Path
) -> None:
    lower = grid.modules(tmp_path / "lower", 1, "libTask.so")
    upper = grid.modules(tmp_path / "upper", 2, "LIBTASK.SO")
    assert number_of(submit(session, lower, "Version")) == 1
    assert number_of(submit(session, upper, "Version")) == 2
    assert number_of(submit(session, lower, "Version")) == 1


def with_dependent(folder: Path, version: int, *options: str) -> list[Path]:
    folder.mkdir()
    dependent = building.c_module(
        folder, "dependent.c", f"-DVERSION={version}", *options, name="libdep.so"
    )
    return [building.c_module(folder, "user.c", f"-L{folder}", "-ldep"), dependent]


@pytest.mark.parametrize("options", [(), ("-Wl,-soname,libdep.so",)], ids=["nameless", "soname"])
def test_h6_a_dependent_is_found_by_its_bare_name(
    session: hxgrid.Session, tmp_path: Path, options: tuple[str, ...]
) -> None:
    files = with_dependent(tmp_path / "one", 7 + len(options), *options)
    assert number_of(submit(session, files, "Version")) == 7 + len(options)


def test_b36_two_sessions_on_one_agent_have_dependents_of_one_name(tmp_path: Path) -> None:
    one, two = (with_dependent(tmp_path / str(number), number) for number in (1, 2))
    with Programs(tmp_path) as programs:
        local = LocalGrid(programs, trust_network=True)
        local.coordinator()
        local.agent(slots=2)
        with local.connect() as first, local.connect() as second:
            tasks = [submit(first, one, "Version"), submit(second, two, "Version")]
            assert [number_of(task) for task in tasks] == [1, 2]


def test_b36_one_session_may_have_both(session: hxgrid.Session, tmp_path: Path) -> None:
    one, two = (with_dependent(tmp_path / str(number), number) for number in (1, 2))
    assert [number_of(submit(session, files, "Version")) for files in (one, two, one)] == [1, 2, 1]


def test_b37_a_rebuilt_module_is_picked_up(session: hxgrid.Session, tmp_path: Path) -> None:
    module = grid.modules(tmp_path, 1, "librebuilt.so")
    assert number_of(submit(session, module, "Version")) == 1
    other = grid.modules(tmp_path / "new", 2, "librebuilt.so")
    other.replace(module)
    # Files are looked at once a second at the most.
    wait_until(
        lambda: number_of(submit(session, module, "Version")) == 2, 10, "the new version to run"
    )


def test_k2_the_hooks_are_called_once_each(tmp_path: Path) -> None:
    hooks = building.c_module(tmp_path, "hooks.c")
    kept = tmp_path / "kept.txt"
    finder = tmp_path / "finder.py"
    finder.write_text(
        "import pathlib\n"
        "def run(agent, session_id, i, o):\n"
        "    session = pathlib.Path(agent.session_cache_directory).parent\n"
        "    o.write(str(session / 'native' / '1' / 'hooks.txt').encode())\n"
    )
    with hxgrid.connect("local", slots=2) as session:
        for task in [submit(session, hooks, "Run") for _ in range(50)]:
            output_of(task)
        notes = Path(output_of(submit(session, finder, "run")).decode())
        assert re.fullmatch(r"start \d+\n", notes.read_text())
        # A second name, because the session's folder goes with it.
        kept.hardlink_to(notes)
    wait_until(lambda: kept.read_text().count("\n") == 2, 10, "EndSession to be called")
    start, end = kept.read_text().split("\n")[:2]
    assert start.replace("start", "end") == end


def test_one_host_serves_all_slots_of_a_session(module: Path) -> None:
    with hxgrid.connect("local", slots=4) as session:
        tasks = [submit(session, module, "Linger", milliseconds(300)) for _ in range(4)]
        assert len({number_of(task) for task in tasks}) == 1
        commands = [process.cmdline() for process in grid.processes("host")]
        assert commands
        assert not [word for words in commands for word in words[3:] if "agent" in word]


def test_attempts_tell_in_which_slots_they_ran(module: Path, tmp_path: Path) -> None:
    with hxgrid.connect("local", slots=3) as session:
        marks = [tmp_path / str(number) for number in range(3)]
        tasks = [grid.begun(session, module, "WhileThere", mark, 0) for mark in marks]
        for mark in marks:
            mark.unlink()
        for task in tasks:
            output_of(task)
        assert {task.attempts[0].slot for task in tasks} == {0, 1, 2}


def test_a_wrong_session_id_is_answered_with_no_and_harms_nobody(
    session: hxgrid.Session, plain: Path
) -> None:
    answers = struct.unpack("<10I", output_of(submit(session, plain, "Ask")))
    _, version, right, wrong, data, is_null, freed, folder, _, _ = answers
    assert (version, right) == (0x00010001, 0)
    assert (wrong, data, is_null, freed, folder) == (1, 1, 1, 1, 1)


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    user, _ = with_dependent(tmp_path / "one", 1)
    with (
        hxgrid.connect("local", slots=1) as session,
        pytest.raises(hxgrid.TaskFailed, match=r"libdep\.so"),
    ):
        submit(session, user, "Version").result(grid.LIMIT_S)
