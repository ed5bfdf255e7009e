"""Global data as native tasks get it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.harness.wait import wait_until
from tests.native.driver import Driver, NativeError

DONE, FAILED, CANCELLED = 0, 1, 4


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(b"geometry" * 1000)
    return path


@pytest.fixture
def asking(crowd: Driver, plain: Path) -> Driver:
    """Eight threads whose function 1 reads the data that its input names."""
    crowd.offer(1, plain, "Data")
    crowd.offer(2, plain, "DataStorm")
    return crowd


def test_data_are_read_only_and_mapped(asking: Driver, blob: Path) -> None:
    asking.data = lambda _: str(blob)
    assert asking.call(1, data=b"name").output == struct.pack("<I4sI", 8000, b"geom", 1)


def test_tasks_that_want_one_name_ask_once(asking: Driver, blob: Path) -> None:
    for serial in range(1, 9):
        asking.run(serial, 1, b"name")
    wait_until(lambda: len(asking.running()) == 8, 10, "all to wait")
    asking.pump(lambda: asking.wanted)
    ((request, name),) = asking.wanted
    assert name == "name"
    asking.answer(request, str(blob))
    assert {each.outcome for each in asking.wait_for(*range(1, 9))} == {DONE}
    assert asking.call(9, data=b"name").outcome == DONE
    assert len(asking.wanted) == 1


def test_names_are_taken_as_they_are(asking: Driver, blob: Path) -> None:
    # H13, B34: nothing in a name means anything to anybody on the way.
    asking.data = lambda _: str(blob)
    names = ["100 %s %n", 'a,b "c"', "Größe 大", "Name", "name"]
    for serial, name in enumerate(names, 1):
        assert asking.call(serial, data=name.encode()).outcome == DONE
    assert [name for _, name in asking.wanted] == names


def test_b12_no_data_is_an_answer_and_is_asked_again(asking: Driver, blob: Path) -> None:
    asking.data = lambda _: None
    ended = asking.call(1, data=b"geometry")
    assert ended.outcome == FAILED
    assert ended.text == (
        'the task returned false (there was no global data named "geometry": nothing there)'
    )
    asking.data = lambda _: str(blob)
    assert asking.call(2, data=b"geometry").outcome == DONE
    assert len(asking.wanted) == 2


def test_an_answer_that_is_no_file_is_a_failure(asking: Driver, tmp_path: Path) -> None:
    asking.run(1, 1, b"name")
    asking.pump(lambda: asking.wanted)
    with pytest.raises(NativeError, match="cannot be opened"):
        asking.answer(asking.wanted[0][0], str(tmp_path / "nowhere"))
    assert asking.wait_for(1)[0].outcome == FAILED


def test_an_answer_that_nobody_asked_for_is_refused(asking: Driver, blob: Path) -> None:
    with pytest.raises(NativeError, match="there is no request 77"):
        asking.answer(77, str(blob))


def test_a_cancelled_task_stops_waiting_for_data(asking: Driver, blob: Path) -> None:
    asking.run(1, 1, b"name")
    asking.pump(lambda: asking.wanted)
    asking.cancel(1)
    assert asking.wait_for(1)[0].outcome == CANCELLED
    # The answer comes all the same, and is kept for the next.
    asking.answer(asking.wanted[0][0], str(blob))
    assert asking.call(2, data=b"name").outcome == DONE
    assert len(asking.wanted) == 1


def test_b16_freed_data_are_unmapped(asking: Driver, blob: Path) -> None:
    asking.data = lambda _: str(blob)
    for serial in range(1, 9):
        assert asking.call(serial, 2).outcome == DONE
    assert asking.freed
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    # The last thing each of these tasks did with the cache was to fetch once more.
    assert maps.count(str(blob)) <= 1


def test_b17_getting_and_freeing_from_eight_threads_at_once(asking: Driver, blob: Path) -> None:
    asking.data = lambda _: str(blob)
    for serial in range(1, 17):
        asking.run(serial, 2)
    ended = asking.wait_for(*range(1, 17))
    expected = 300 * (ord("y") + ord("g"))
    assert {(each.outcome, each.output) for each in ended} == {(DONE, struct.pack("<I", expected))}
    assert None in asking.freed


def test_data_that_python_forgets_are_asked_for_again(
    asking: Driver, blob: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"new!")
    asking.data = lambda _: str(blob)
    for serial, name in enumerate((b"name", b"kept"), 1):
        assert asking.call(serial, data=name).output[4:8] == b"geom"
    asking.data = lambda _: str(other)
    asking.forget("name")
    assert asking.call(3, data=b"name").output[4:8] == b"new!"
    assert asking.call(4, data=b"kept").output[4:8] == b"geom"
    asking.forget(None)
    assert asking.call(5, data=b"kept").output[4:8] == b"new!"
    assert not asking.freed, "nobody needs to be told"


def test_data_that_python_forgets_on_their_way_are_not_kept(asking: Driver, blob: Path) -> None:
    asking.run(1, 1, b"name")
    asking.pump(lambda: asking.wanted)
    asking.forget("name")
    asking.answer(asking.wanted[0][0], str(blob))
    assert asking.wait_for(1)[0].outcome == DONE
    asking.data = lambda _: str(blob)
    assert asking.call(2, data=b"name").outcome == DONE
    assert len(asking.wanted) == 2
