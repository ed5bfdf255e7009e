"""Many attempts in one call, in the layouts of the frames between agent and task process."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from hxgrid_agent.execution import frames
from tests.native.driver import Driver, NativeError, ffi

DONE, FAILED = 0, 1
COMPRESSED = 1


def test_small_attempts_go_in_and_out_by_the_thousand(crowd: Driver, plain: Path) -> None:
    crowd.offer(1, plain, "Echo")
    inputs = {serial: str(serial).encode() * (serial % 7) for serial in range(1, 5001)}
    runs = [(serial, 1, 0, len(data), data) for serial, data in inputs.items()]
    assert crowd.run_batch(runs) == []
    ended = crowd.wait_for(*inputs)
    assert {each.serial: each.output for each in ended} == inputs
    assert all(each.was_batched for each in ended)
    assert all(0 < each.started_at <= each.ended_at for each in ended)


def test_an_input_may_be_the_path_of_a_file(driver: Driver, plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "input ü"
    path.write_bytes(b"from a file")
    driver.offer(1, plain, "Echo")
    raw = str(path).encode()
    driver.run_batch([(1, 1, frames.IN_FILE, 11, raw), (2, 1, 0, 3, b"own")])
    assert [each.output for each in driver.wait_for(1, 2)] == [b"from a file", b"own"]


def test_an_input_that_is_not_there_fails_its_attempt_only(
    driver: Driver, plain: Path, tmp_path: Path
) -> None:
    driver.offer(1, plain, "Echo")
    nowhere = str(tmp_path / "nowhere").encode()
    driver.run_batch(
        [
            (1, 1, frames.IN_FILE, 1, nowhere),
            (2, 1, frames.IN_FILE, 1, b"x" * 5000),
            (3, 1, 0, 3, b"own"),
        ]
    )
    missing, too_long, good = driver.wait_for(1, 2, 3)
    assert (missing.outcome, too_long.outcome, good.outcome) == (FAILED, FAILED, DONE)
    assert "nowhere cannot be opened" in missing.text
    assert "too long" in too_long.text


def test_what_must_be_expanded_first_is_left_out(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Echo")
    runs = [(1, 1, 0, 1, b"a"), (2, 1, COMPRESSED, 9, b"packed"), (3, 1, 0, 1, b"c")]
    runs.append((4, 1, COMPRESSED | frames.IN_FILE, 9, b"/packed"))
    assert driver.run_batch(runs) == [1, 3]
    assert [each.output for each in driver.wait_for(1, 3)] == [b"a", b"c"]
    assert set(driver.results) == {1, 3}


def test_more_left_out_than_there_is_room_for_queues_nothing(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Echo")
    runs = [(serial, 1, COMPRESSED, 1, b"p") for serial in range(2, 70)]
    with pytest.raises(NativeError) as refused:
        driver.run_batch([(1, 1, 0, 1, b"a"), *runs])
    assert refused.value.status == driver.lib.HXG_E_LIMIT
    assert driver.take_back([1]) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        struct.pack("<I", 1),
        struct.pack("<I", 0xFFFFFFFF) + bytes(100),
        struct.pack("<IQIBQI", 1, 1, 1, 0, 0, 5) + b"four",
        struct.pack("<IQIBQI", 1, 1, 1, 0, 0, 0xFFFFFFFF),
        struct.pack("<IQIBQI", 1, 1, 1, 0, 0, 3) + b"four",
    ],
)
def test_a_batch_whose_sizes_do_not_add_up_is_refused(driver: Driver, body: bytes) -> None:
    left, count = ffi.new("uint32_t[4]"), ffi.new("size_t *")
    status = driver.lib.hxg_host_run_batch(driver.host, body, len(body), left, 4, count)
    assert status == driver.lib.HXG_E_ARGUMENT


def test_a_buffer_that_cannot_hold_one_result_is_refused(driver: Driver) -> None:
    buffer, used = ffi.new("uint8_t[100]"), ffi.new("size_t *")
    status = driver.lib.hxg_host_take_batch(driver.host, buffer, 100, 10, used)
    assert status == driver.lib.HXG_E_ARGUMENT


def test_results_that_do_not_fit_come_with_the_next_call(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Echo")
    data = b"d" * 60_000
    driver.run_batch([(serial, 1, 0, len(data), data) for serial in range(1, 101)])
    assert {each.output for each in driver.wait_for(*range(1, 101))} == {data}
