"""Global data for compiled modules on a real grid."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.processes import Programs
from tests.native import grid
from tests.native.grid import output_of, submit

S_OK, S_FALSE = 0, 1
BIG_BYTES = 96 * 1024 * 1024


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grid.modules(tmp_path_factory.mktemp("grid"))


@pytest.fixture
def session() -> Iterator[hxgrid.Session]:
    with hxgrid.connect("local", slots=4) as made:
        yield made


def answer(session: hxgrid.Session, module: Path) -> tuple[int, int]:
    status, is_null = struct.unpack("<II", output_of(submit(session, module, "HasData")))
    return status, is_null


def test_b12_without_a_callback_there_is_no_data_and_no_harm(
    session: hxgrid.Session, module: Path
) -> None:
    assert answer(session, module) == (S_FALSE, 1)
    session.bind_get_data(lambda _: None)
    assert answer(session, module) == (S_FALSE, 1)
    session.bind_get_data(lambda name: name.encode())
    assert answer(session, module) == (S_OK, 0)


@pytest.mark.slow
def test_h7_references_counted_by_eight_threads_of_a_task_add_up(
    session: hxgrid.Session, module: Path
) -> None:
    session.bind_get_data(lambda name: name.encode())
    # Input, output and global data: of each a task holds one reference.
    for which in range(3):
        task = submit(session, module, "CountReferences", struct.pack("<I", which))
        assert bytes(task.result(110).getbuffer()) == struct.pack("<I", 1)


def test_b13_one_stream_may_be_given_again_and_again(session: hxgrid.Session, plain: Path) -> None:
    shared = hxgrid.Stream(b"shared by all")
    asked: list[str] = []

    def give(name: str) -> hxgrid.Stream:
        asked.append(name)
        return shared

    session.bind_get_data(give, volatile=True)
    for name in (b"one", b"two", b"three"):
        (size,) = struct.unpack_from("<I", output_of(submit(session, plain, "Data", name)))
        assert size == len(b"shared by all")
    assert asked == ["one", "two", "three"]


def test_b17_getting_and_freeing_at_once(session: hxgrid.Session, plain: Path) -> None:
    session.bind_get_data(lambda _: b"x" * 100_000)
    tasks = [submit(session, plain, "DataStorm") for _ in range(8)]
    assert {output_of(task) for task in tasks} == {struct.pack("<I", 2 * 300 * ord("x"))}


def test_volatile_data_is_asked_for_again_after_it_was_freed(
    session: hxgrid.Session, plain: Path
) -> None:
    count = 0
    lock = threading.Lock()

    def give(_: str) -> bytes:
        nonlocal count
        with lock:
            count += 1
        return b"some data"

    session.bind_get_data(give, volatile=True)
    output_of(submit(session, plain, "Data", b"data"))
    output_of(submit(session, plain, "Data", b"data"))
    assert count == 1
    output_of(submit(session, plain, "DataStorm"))
    assert count > 1


@pytest.mark.parametrize("name", ["data", None])
def test_forgotten_data_is_new_in_every_thread_of_the_host(
    session: hxgrid.Session, plain: Path, name: str | None
) -> None:
    contents = [b"old1", b"new2"]
    for content in contents:
        session.bind_get_data(lambda _, content=content: content)  # type: ignore[misc]
        session.forget_data(name)
        tasks = [submit(session, plain, "Data", b"data") for _ in range(16)]
        assert {output_of(task)[4:8] for task in tasks} == {content}


def test_a_large_blob_exists_once_however_many_read_it(
    session: hxgrid.Session, module: Path, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        for index in range(BIG_BYTES >> 20):
            file.write(bytes([index & 255]) * (1 << 20))
    session.bind_get_data(lambda _: big)
    output_of(submit(session, module, "Linger"))
    agent = psutil.Process(os.getpid()).children()[0]
    processes = [agent, *agent.children(recursive=True)]
    before = resident_bytes(processes)
    outputs = [output_of(submit(session, module, "ReadAll")) for _ in range(8)]
    assert len({output[8:] for output in outputs}) == 1
    # Once, beside what is on its way and interpreters that were just starting; a copy makes two.
    assert resident_bytes(processes) - before < BIG_BYTES * 1.7
    (took_s,) = struct.unpack_from("<d", min(outputs[1:]))
    assert took_s < 0.05


def resident_bytes(processes: list[psutil.Process]) -> int:
    """Memory of processes, with what they have mapped; of those that still live."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


SESSIONS, SESSION_BYTES = 100, 50 << 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_b16_data_of_a_hundred_sessions_leave_memory_flat(module: Path, tmp_path: Path) -> None:
    sizes: dict[str, list[int]] = {"agent": [], "user": []}
    with Programs(tmp_path) as programs:
        local = LocalGrid(programs, trust_network=True)
        local.coordinator()
        # On disk, too, no more than a few of them are kept.
        quota = {"HXGRID_AGENT_STORE_QUOTA_BYTES": str(4 * SESSION_BYTES)}
        agent = psutil.Process(local.agent(slots=1, environment=quota).pid)
        local.wait_for_agents(1, 30)
        for turn in range(SESSIONS):
            with local.connect() as session:
                data = bytes([turn]) * SESSION_BYTES
                session.bind_get_data(lambda _, data=data: data)  # type: ignore[misc]
                output_of(submit(session, module, "ReadAll"))
            del data
            # The sessions' hosts are gone, or about to be; those that are left count as well.
            sizes["agent"].append(resident_bytes([agent, *agent.children(recursive=True)]))
            sizes["user"].append(resident_bytes([psutil.Process()]))
    for taken in sizes.values():
        early, late = taken[10:20], taken[-10:]
        assert min(late) - min(early) < SESSION_BYTES, sizes
