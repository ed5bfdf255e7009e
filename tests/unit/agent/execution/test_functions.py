"""What functions of each kind get, and what is said when they cannot be had."""

from __future__ import annotations

import sys
from importlib import metadata

import cloudpickle
import pytest

from hxgrid.modules.calls import open_outcome, unpack_outcomes
from hxgrid.wire.messages import Outcome
from hxgrid_agent.execution.events import DataAsked, DataGivenUp
from tests.harness.wait import wait_until
from tests.unit.agent.execution.conftest import SmallAgent

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def values(agent: SmallAgent, count: int, task: int = 1) -> list[object]:
    record = agent.result(task)
    assert record.outcome == Outcome.DONE, bytes(record.payload)
    return [open_outcome(outcome) for outcome in unpack_outcomes(record.payload, count)]


def test_further_files_are_imported_by_name(agent: SmallAgent) -> None:
    function = agent.module(
        "import extra\ndef run_task(a, s, i, o): o.write(extra.word)", extra="word = b'found'"
    )
    agent.run(function)
    assert agent.result().payload == b"found"


def test_two_module_sets_may_have_files_of_one_name(agent: SmallAgent) -> None:
    text = "import extra\ndef run_task(a, s, i, o): o.write(extra.word)"
    first = agent.module(text, extra="word = b'first'")
    second = agent.module(text, extra="word = b'second'")
    for task, function in enumerate((first, second, first)):
        agent.run(function, task=task)
    assert [agent.result(task).payload for task in range(3)] == [b"first", b"second", b"first"]


def test_k2_functions_of_one_file_share_its_module_and_its_start(agent: SmallAgent) -> None:
    agent.module(
        "count = 0\n"
        "def start_session(a, s):\n    global count\n    count += 1\n"
        "def one(a, s, i, o): o.write_struct('I', count)\n"
        "def two(a, s, i, o): o.write_struct('I', count)\n",
        entry="one",
    )
    folder = agent.folder / "functions" / "0"
    other = agent.offer(folder, ["task.py"], kind="module", entry="two")
    agent.run(1, task=1)
    agent.run(other, task=2)
    assert [agent.result(task).payload for task in (1, 2)] == [b"\1\0\0\0", b"\1\0\0\0"]


def test_a_missing_package_is_named_with_what_to_do(agent: SmallAgent) -> None:
    agent.run(agent.module("import no_such_package.inner\ndef run_task(): pass"))
    reason = agent.failure(Outcome.UNUSABLE)
    assert "No module named 'no_such_package'" in reason.text
    assert f"install 'no_such_package' for {sys.executable}" in reason.text
    assert "import no_such_package.inner" in reason.traceback


def test_a_module_that_fails_while_loading_is_unusable(agent: SmallAgent) -> None:
    agent.run(agent.module("def run_task(): pass\n1 / 0"))
    reason = agent.failure(Outcome.UNUSABLE)
    assert "module 'task.py' does not load" in reason.text
    assert "ZeroDivisionError" in reason.text


def test_a_module_that_is_no_python_is_unusable(agent: SmallAgent) -> None:
    agent.run(agent.module("PK\3\4 and so on"))
    assert "SyntaxError" in agent.failure(Outcome.UNUSABLE).text


def test_a_missing_function_is_named(agent: SmallAgent) -> None:
    agent.run(agent.module("def run_task(): pass", entry="run_taks"))
    assert "has no function 'run_taks'" in agent.failure(Outcome.UNUSABLE).text


def test_a_name_that_is_no_function_is_unusable(agent: SmallAgent) -> None:
    agent.run(agent.module("run_task = 5"))
    assert "is not a function" in agent.failure(Outcome.UNUSABLE).text


def test_k2_a_failing_start_session_is_tried_again(agent: SmallAgent) -> None:
    function = agent.module(
        "import pathlib\n"
        "def start_session(agent, session_id):\n"
        "    flag = agent.session_cache_directory / 'tried'\n"
        "    if not flag.exists():\n"
        "        flag.touch()\n"
        "        raise RuntimeError('not yet')\n"
        "def run_task(agent, session_id, in_stream, out_stream): pass\n"
    )
    agent.run(function, task=1)
    assert "RuntimeError: not yet" in agent.failure(Outcome.UNUSABLE).text
    agent.run(function, task=2)
    assert agent.result(2).outcome == Outcome.DONE


def test_an_undescribed_function_is_unusable(agent: SmallAgent) -> None:
    agent.run(4711)
    assert "4711" in agent.failure(Outcome.UNUSABLE).text


def test_native_modules_are_refused_with_a_reason(agent: SmallAgent) -> None:
    agent.run(agent.offer(agent.folder / "functions", ["task.so"], kind="native", entry="Task"))
    assert "kind 'native'" in agent.failure(Outcome.UNUSABLE).text


def test_a_function_by_value_takes_a_batch_of_calls(agent: SmallAgent) -> None:
    factor = 3
    function = agent.pickled(cloudpickle.dumps(lambda value: value * factor))
    agent.calls(function, (1,), ("a",))
    assert values(agent, 2) == [3, "aaa"]


def test_by_value_another_python_is_refused_naming_both(agent: SmallAgent) -> None:
    function = agent.pickled(cloudpickle.dumps(print), python_version="2.7")
    agent.calls(function, (1,))
    text = agent.failure(Outcome.UNUSABLE).text
    assert "needs 2.7" in text
    assert VERSION in text


def test_by_value_the_same_python_is_taken(agent: SmallAgent) -> None:
    function = agent.pickled(
        cloudpickle.dumps(abs), python_version=VERSION, python_implementation="CPython"
    )
    agent.calls(function, (-1,))
    assert values(agent, 1) == [1]


def test_a_pickle_that_is_none_is_unusable(agent: SmallAgent) -> None:
    agent.calls(agent.pickled(b"nonsense"), (1,))
    assert "cannot be unpickled" in agent.failure(Outcome.UNUSABLE).text


def test_a_function_of_the_applications_own_package(agent: SmallAgent) -> None:
    package = agent.folder / "functions" / "tree" / "own"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "inner.py").write_text("class A:\n  @staticmethod\n  def f(x): return x + 1\n")
    function = agent.offer(
        package.parent, ["own/__init__.py", "own/inner.py"], kind="source",
        module="own.inner", entry="A.f",
    )  # fmt: skip
    agent.calls(function, (1,))
    assert values(agent, 1) == [2]


def test_an_edited_package_is_loaded_anew(agent: SmallAgent) -> None:
    functions = []
    for number in (1, 2):
        folder = agent.folder / "functions" / f"tree{number}"
        folder.mkdir()
        (folder / "own.py").write_text(f"def f(): return {number}", encoding="utf-8")
        functions.append(agent.offer(folder, ["own.py"], kind="source", module="own", entry="f"))
    for task, function in enumerate(functions):
        agent.calls(function, (), task=task)
    assert [values(agent, 1, task) for task in range(2)] == [[1], [2]]


def installed(agent: SmallAgent, distribution: str, version: str) -> int:
    return agent.offer(
        agent.folder, [], kind="installed", module="pydantic.version", entry="version_short",
        distribution=distribution, distribution_version=version,
    )  # fmt: skip


def test_a_function_of_an_installed_package(agent: SmallAgent) -> None:
    agent.calls(installed(agent, "pydantic", metadata.version("pydantic")), ())
    assert values(agent, 1) == [".".join(metadata.version("pydantic").split(".")[:2])]


def test_another_installed_version_is_refused_naming_both(agent: SmallAgent) -> None:
    agent.calls(installed(agent, "pydantic", "0.1"), ())
    text = agent.failure(Outcome.UNUSABLE).text
    assert "pydantic 0.1" in text
    assert f"pydantic {metadata.version('pydantic')}" in text
    assert "install pydantic==0.1" in text


def test_a_package_that_is_not_installed_is_refused(agent: SmallAgent) -> None:
    agent.calls(installed(agent, "no-such-package", "1.0"), ())
    assert "needs no-such-package 1.0" in agent.failure(Outcome.UNUSABLE).text


def test_a_function_of_the_standard_library_needs_no_version(agent: SmallAgent) -> None:
    agent.calls(agent.offer(agent.folder, [], kind="installed", module="math", entry="sqrt"), (9,))
    assert values(agent, 1) == [3.0]


def test_an_exception_is_the_result_of_its_call_alone(agent: SmallAgent) -> None:
    agent.calls(agent.offer(agent.folder, [], kind="installed", module="math", entry="sqrt"), (-1,))
    with pytest.raises(ValueError, match="math domain error"):
        values(agent, 1)


def test_sys_exit_of_a_call_does_not_end_the_application(agent: SmallAgent) -> None:
    agent.calls(agent.offer(agent.folder, [], kind="installed", module="sys", entry="exit"), (3,))
    with pytest.raises(RuntimeError, match=r"sys\.exit\(3\)"):
        values(agent, 1)


def test_arguments_that_cannot_be_unpickled_here_are_told(agent: SmallAgent) -> None:
    function = agent.offer(agent.folder, [], kind="installed", module="math", entry="sqrt")
    agent.run(function, b"\x80\x05nonsense")
    assert "arguments cannot be unpickled" in agent.failure(Outcome.UNUSABLE).text


def test_global_data_is_asked_for_once_and_mapped(agent: SmallAgent) -> None:
    path = agent.folder / "blob"
    path.write_bytes(b"geometry")
    function = agent.body(
        "stream = agent.get_data('scene')",
        "assert stream.readonly",
        "out_stream.write(stream.read())",
    )
    agent.run(function, task=1)
    asked = agent.await_event(DataAsked)
    assert asked.name == "scene"
    agent.process.answer_data(asked.request, str(path))
    assert agent.result(1).payload == b"geometry"
    agent.run(function, task=2)
    assert agent.result(2).payload == b"geometry"
    assert not [event for event in agent.seen if isinstance(event, DataAsked)]


def test_empty_global_data_is_data(agent: SmallAgent) -> None:
    (agent.folder / "blob").touch()
    agent.run(agent.body("assert agent.get_data('nothing').read() == b''"))
    asked = agent.await_event(DataAsked)
    agent.process.answer_data(asked.request, str(agent.folder / "blob"))
    assert agent.result().outcome == Outcome.DONE


def test_missing_global_data_fails_the_attempt_and_is_asked_for_again(agent: SmallAgent) -> None:
    function = agent.body("agent.get_data('scene')")
    for task in (1, 2):
        agent.run(function, task=task)
        asked = agent.await_event(DataAsked)
        agent.process.answer_data(asked.request, None, "the callback returned None")
        reason = agent.failure(Outcome.FAILED, task)
        assert reason.exception == "hxgrid.errors.DataUnavailable"
        assert "'scene'" in reason.text
        assert "the callback returned None" in reason.text


def test_waiting_for_global_data_can_be_cancelled(agent: SmallAgent) -> None:
    key = agent.run(agent.body("agent.get_data('scene')"))
    agent.await_event(DataAsked)
    agent.process.cancel([key])
    assert agent.result().outcome == Outcome.CANCELLED


def test_two_threads_ask_once_each_for_two_names(agent: SmallAgent) -> None:
    path = agent.folder / "blob"
    path.write_bytes(b"x")
    agent.run(
        agent.body(
            "from concurrent.futures import ThreadPoolExecutor",
            "with ThreadPoolExecutor() as pool:",
            "    names = ['a', 'b'] * 4",
            "    for stream in pool.map(agent.get_data, names): out_stream.write(stream.read())",
        )
    )
    names = []
    for _ in range(2):
        asked = agent.await_event(DataAsked)
        names.append(asked.name)
        agent.process.answer_data(asked.request, str(path))
    assert agent.result().payload == b"x" * 8
    assert sorted(names) == ["a", "b"]


def test_freed_data_is_told_and_asked_for_again(agent: SmallAgent) -> None:
    path = agent.folder / "blob"
    path.write_bytes(b"x")
    agent.run(
        agent.body(
            "held = agent.get_data('a')",
            "agent.free_cached_data('a')",
            "agent.free_cached_data()",
            "agent.get_data('a')",
            "assert held.read() == b'x'",
        )
    )
    for _ in range(2):
        agent.process.answer_data(agent.await_event(DataAsked).request, str(path))
    assert agent.await_event(DataGivenUp).name == "a"
    assert agent.await_event(DataGivenUp).name is None
    assert agent.result().outcome == Outcome.DONE


def test_forgotten_data_is_asked_for_again_by_a_task_that_runs(agent: SmallAgent) -> None:
    old, new, flag = (agent.folder / name for name in ("old", "new", "flag"))
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    agent.run(
        agent.body(
            "held = agent.get_data('a')",
            f"open({str(flag)!r}, 'w').close()",
            # No pause of its own: it must be told while it runs.
            "while (seen := agent.get_data('a').read()) == b'old': agent.test_connection()",
            "out_stream.write(held.read() + seen)",
        )
    )
    agent.process.answer_data(agent.await_event(DataAsked).request, str(old))
    wait_until(flag.exists, 10, "the task to have the old data")
    agent.process.forget_data(["a"])
    agent.process.answer_data(agent.await_event(DataAsked).request, str(new))
    assert agent.result().payload == b"oldnew"


def test_the_global_lock_of_a_dead_holder_is_free(agent: SmallAgent) -> None:
    from hxgrid.tasks.locks import GlobalLock

    agent.run(
        agent.body("agent.global_lock.acquire()", "print('held')", "import os, time", "os._exit(0)")
    )
    from hxgrid_agent.execution.events import Died

    agent.await_event(Died)
    lock = GlobalLock(agent.folder / "lock")
    assert lock.acquire(blocking=False)
    lock.release()
    lock.close()
