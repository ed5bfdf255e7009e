"""Tasks on the threads of a host: what they are given, and what becomes of what they do."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path

import pytest

from tests.harness.wait import wait_until
from tests.native.driver import SESSION, Driver, NativeError

DONE, FAILED, CANCELLED, NOT_STARTED, UNUSABLE = 0, 1, 4, 5, 6


def runs_exactly(driver: Driver, serials: set[int]) -> bool:
    return driver.running() == serials


def numbers(output: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(output) // 4}I", output))


# ---- results


@pytest.mark.parametrize("size", [0, 1, 64, 65, 4096, 65536, 65537, 3_000_000])
def test_an_input_comes_back_whatever_its_size(driver: Driver, plain: Path, size: int) -> None:
    driver.offer(1, plain, "Echo")
    data = bytes(index * 7 & 0xFF for index in range(size))
    ended = driver.call(1, data=data)
    assert (ended.outcome, ended.output) == (DONE, data)
    assert ended.was_batched == (size <= 65536)
    assert ended.ended_at >= ended.started_at > 0


def test_an_input_from_a_file_may_be_changed_in_memory_only(
    driver: Driver, plain: Path, tmp_path: Path
) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"original text")
    driver.offer(1, plain, "WriteToInput")
    driver.run_file(1, 1, path)
    assert driver.wait_for(1)[0].output == b"changed! text"
    assert path.read_bytes() == b"original text"


def test_b15_bytes_that_look_compressed_pass_unharmed(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Echo")
    data = bytes.fromhex("95349094FF4309A4") + b"\x04\0\0\0no zlib"
    assert driver.call(1, data=data).output == data


def test_any_bit_is_true(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "OddTrue")
    assert driver.call(1).outcome == DONE


def test_b10_a_failing_task_says_so_and_its_siblings_go_on(crowd: Driver, plain: Path) -> None:
    crowd.offer(1, plain, "Refuse")
    crowd.offer(2, plain, "Echo")
    for serial in range(1, 101):
        crowd.run(serial, 1 + serial % 2, b"x")
    ended = crowd.wait_for(*range(1, 101))
    assert {(each.outcome, each.output) for each in ended if each.serial % 2} == {(DONE, b"x")}
    assert {each.outcome for each in ended if not each.serial % 2} == {FAILED}
    assert ended[1].text == "the task returned false"


# ---- references and misuse


def test_b14_a_task_may_keep_its_streams(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "KeepReferences")
    driver.offer(2, plain, "UseKeptReferences")
    assert numbers(driver.call(1, 1, struct.pack("<I", 42)).output) == [7]
    assert numbers(driver.call(2, 2).output) == [42]


def test_b14_a_task_may_release_what_was_only_lent(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "ReleaseTooOften")
    for serial in range(1, 200):
        assert numbers(driver.call(serial).output) == [5]


def test_changing_read_only_data_fails_the_task(
    driver: Driver, plain: Path, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"abcd")
    driver.data = lambda _: str(path)
    driver.offer(1, plain, "WriteToData")
    ended = driver.call(1)
    assert ended.outcome == FAILED
    assert ended.text == "the task tried to change a read-only stream"


def test_an_output_past_4_gib_fails_the_task(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "WritePastTheLimit")
    driver.offer(2, plain, "Nothing")
    assert "4 GiB" in driver.call(1).text
    assert driver.call(2, 2).outcome == DONE


# ---- the agent


def test_wrong_session_ids_are_answered_with_no(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Ask")
    answers = numbers(driver.call(1).output)
    version_status, version, right, wrong, data, is_null, freed, folder, added, released = answers
    assert (version_status, version, right) == (0, 0x00010001, 0)
    assert (wrong, data, is_null, freed, folder) == (1, 1, 1, 1, 1)
    assert (added, released) == (1, 1)


def test_a_closed_session_is_a_wrong_one(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "CacheDirectory")
    driver.check(driver.lib.hxg_host_close_session(driver.host, SESSION))
    assert numbers(driver.call(1).output) == [1, 0]
    with pytest.raises(NativeError, match="there is no session"):
        driver.check(driver.lib.hxg_host_close_session(driver.host, SESSION))


def test_the_cache_directory_ends_with_a_separator(
    driver: Driver, plain: Path, tmp_path: Path
) -> None:
    driver.offer(1, plain, "CacheDirectory")
    text = f"{tmp_path}/".encode()
    assert driver.call(1).output == struct.pack("<II", 0, len(text)) + text


@pytest.mark.parametrize(("length", "is_given"), [(259, True), (260, False), (5000, False)])
def test_a_cache_directory_longer_than_its_room_is_refused(
    plain: Path, length: int, is_given: bool
) -> None:
    driver = Driver(cache_folder="/" + "d" * (length - 2))
    driver.offer(1, plain, "CacheDirectory")
    status, size = struct.unpack_from("<II", driver.call(1).output)
    assert (status, size) == ((0, length) if is_given else (1, 0))
    driver.close()


def test_the_critical_section_is_one_for_all_threads(crowd: Driver, plain: Path) -> None:
    crowd.offer(1, plain, "Guarded")
    for serial in range(1, 9):
        crowd.run(serial)
    ended = crowd.wait_for(*range(1, 9))
    assert max(numbers(each.output)[0] for each in ended) == 8 * 20_000


# ---- stopping and suspending


def test_cancelling_stops_one_attempt_and_no_other(crowd: Driver, plain: Path) -> None:
    crowd.offer(1, plain, "RunUntilStopped")
    crowd.run(1)
    crowd.run(2)
    wait_until(lambda: crowd.running() == {1, 2}, 10, "both to run")
    crowd.cancel(1)
    assert crowd.wait_for(1)[0].outcome == CANCELLED
    assert 2 not in crowd.results
    crowd.cancel(2)
    assert crowd.wait_for(2)[0].outcome == CANCELLED


def test_an_attempt_cancelled_before_its_turn_does_not_run(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Echo")
    driver.cancel(1)
    ended = driver.call(1, data=b"x")
    assert (ended.outcome, ended.started_at) == (CANCELLED, 0)


def test_a_thread_that_a_task_starts_is_told_as_well(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "AskFromOwnThread")
    driver.run(1)
    wait_until(lambda: driver.stamp(0).serial, 10, "the task to run")
    driver.cancel(1)
    assert numbers(driver.wait_for(1)[0].output) == [1]


def test_a_suspended_task_waits_inside_the_question(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "TimeQuestions")
    driver.offer(2, plain, "RunUntilStopped")
    driver.run(1, 2)
    wait_until(lambda: driver.stamp(0).serial, 10, "the task to run")
    driver.set_state(driver.lib.HXG_STATE_SUSPENDED)
    driver.cancel(1)  # the one way out
    assert driver.wait_for(1)[0].outcome == CANCELLED
    driver.run(2, 1)
    driver.set_state(0)
    assert driver.wait_for(2)[0].outcome == DONE


def test_the_end_of_the_session_stops_everything(crowd: Driver, plain: Path) -> None:
    crowd.offer(1, plain, "RunUntilStopped")
    for serial in range(1, 21):
        crowd.run(serial)
    wait_until(lambda: len(crowd.running()) == 8, 10, "all threads to run")
    crowd.set_state(crowd.lib.HXG_STATE_ENDING)
    assert {each.outcome for each in crowd.wait_for(*range(1, 21))} == {CANCELLED}


def test_attempts_that_have_not_begun_can_be_taken_back(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "RunUntilStopped")
    driver.offer(2, plain, "Nothing")
    driver.run(1, 1)
    wait_until(lambda: driver.stamp(0).serial == 1, 10, "the first to run")
    for serial in (2, 3, 4):
        driver.run(serial, 2)
    assert driver.take_back([1, 3, 4, 99]) == [3, 4]
    driver.cancel(1)
    driver.wait_for(1, 2)
    assert set(driver.results) == {1, 2}


# ---- threads


def test_the_number_of_threads_can_change(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "RunUntilStopped")
    for count in (33, 64, 1, 5):
        driver.check(driver.lib.hxg_host_set_threads(driver.host, count))
        serials = range(count * 1000, count * 1000 + count)
        for serial in serials:
            driver.run(serial)
        wait_until(partial(runs_exactly, driver, set(serials)), 20, f"all {count} to run")
        for serial in serials:
            driver.cancel(serial)
        driver.wait_for(*serials)
    for count in (0, 1025):
        with pytest.raises(NativeError, match="1 to 1024 threads"):
            driver.check(driver.lib.hxg_host_set_threads(driver.host, count))


def test_two_threads_compute_at_a_time(plain: Path) -> None:
    # The measurement proper is a benchmark; here it is shown that nothing makes them take turns.
    driver = Driver(threads=2)
    driver.offer(1, plain, "Spin")
    driver.run(1, 1, struct.pack("<I", 1000))
    driver.run(2, 1, struct.pack("<I", 1000))
    one, two = driver.wait_for(1, 2)
    assert one.started_at < two.ended_at
    assert two.started_at < one.ended_at
    driver.close()


def test_the_stamp_says_what_a_thread_does(driver: Driver, plain: Path) -> None:
    driver.offer(7, plain, "RunUntilStopped")
    driver.run(5, 7)
    stamp = driver.stamp(0)
    wait_until(lambda: stamp.phase == driver.lib.HXG_PHASE_TASK, 10, "the task to run")
    assert (stamp.serial, stamp.function, stamp.finished) == (5, 7, 0)
    driver.cancel(5)
    ended = driver.wait_for(5)[0]
    assert (stamp.serial, stamp.phase, stamp.finished) == (0, 0, 1)
    assert stamp.started_at == ended.started_at


# ---- closing


def test_closing_gives_back_what_has_not_begun(plain: Path) -> None:
    driver = Driver()
    driver.offer(1, plain, "RunUntilStopped")
    for serial in (1, 2, 3):
        driver.run(serial)
    wait_until(lambda: driver.stamp(0).serial == 1, 10, "the first to run")
    driver.check(driver.lib.hxg_host_close(driver.host))
    assert [each.outcome for each in driver.wait_for(2, 3)] == [NOT_STARTED] * 2
    assert driver.lib.hxg_host_free(driver.host) == driver.lib.HXG_E_BUSY
    with pytest.raises(NativeError, match="closing"):
        driver.run(4)
    driver.cancel(1)
    driver.close()
    assert driver.results[1].outcome == CANCELLED


def test_b19_a_host_that_is_not_busy_closes_at_once(plain: Path) -> None:
    for _ in range(50):
        driver = Driver(threads=4)
        driver.offer(1, plain, "Nothing")
        driver.call(1)
        driver.close()
