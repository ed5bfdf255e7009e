"""The task of the pi example: right digits everywhere, in the right form."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import mpmath
import pytest
from hxgrid_examples.picalculator import pi_task

from hxgrid import Stream

# The last digit that any test here looks at is 9999.
with mpmath.workdps(10_050):
    PI_DIGITS = str(mpmath.nstr(mpmath.pi, 10_040))[2:10_022]


class FakeAgent:
    """Answers the question whether to go on, and counts it."""

    def __init__(self, *, stop_at: int | None = None) -> None:
        self.questions = 0
        self._stop_at = stop_at

    def test_connection(self) -> bool:
        self.questions += 1
        return self.questions != self._stop_at


def run_task(request: bytes, agent: FakeAgent) -> tuple[bool, bytes]:
    output = Stream()
    succeeded = pi_task.run_task(cast(Any, agent), 1, Stream(request, readonly=True), output)
    return succeeded, output.getvalue()


def block(position: int) -> str:
    return PI_DIGITS[position - 1 : position + 8]


def test_the_reference_is_pi() -> None:
    assert PI_DIGITS[:20] == "14159265358979323846"
    assert len(PI_DIGITS) == 10_020


def test_every_block_up_to_1000_is_right() -> None:
    positions = range(1, 1001, 9)
    assert [pi_task.digits_at(n) for n in positions] == [block(n) for n in positions]


@pytest.mark.parametrize("position", [6958, 6967, 9838, 9847, 9991])
def test_b48_blocks_are_right_where_32_bit_products_overflow(
    position: int,
) -> None:
    assert pi_task.digits_at(position) == block(position)


@pytest.mark.parametrize("position", range(750, 772))
def test_blocks_around_six_nines_in_a_row_are_right(position: int) -> None:
    assert pi_task.digits_at(position) == block(position)


@pytest.mark.parametrize("guard_digits", [1, 3, 6, 10])
@pytest.mark.parametrize("position", [1, 46, 753, 754, 762])
def test_too_few_terms_are_noticed_and_more_are_taken(position: int, guard_digits: int) -> None:
    assert pi_task.digits_at(position, guard_digits=guard_digits) == block(position)


@pytest.mark.parametrize("guard_digits", [8, 12, 24])
@pytest.mark.parametrize("position", [1, 100, 754])
def test_the_error_bound_holds(position: int, guard_digits: int) -> None:
    fraction, error, bits = pi_task._fraction(position, guard_digits, lambda: True)
    true = int(PI_DIGITS[position - 1 : position + 60]) * 2**bits // 10**61
    assert fraction <= true <= fraction + error


@pytest.mark.parametrize("position", [-1, 0, pi_task.LAST_POSITION + 1, 2**32 - 1])
def test_positions_that_cannot_be_computed_are_refused(position: int) -> None:
    with pytest.raises(ValueError, match=f"position {position} is not between 1 and"):
        pi_task.digits_at(position)


def test_products_fit_64_bits_up_to_the_last_position() -> None:
    terms = math.ceil((pi_task.LAST_POSITION + 5 * pi_task.GUARD_DIGITS) * math.log2(10)) + 1
    assert 4 * terms**3 < 2**64


def test_four_bytes_come_in_and_thirteen_go_out() -> None:
    assert run_task(struct.pack("<I", 10), FakeAgent()) == (
        True,
        b"\x0a\0\0\0" + block(10).encode("ascii"),
    )


@pytest.mark.parametrize("request_size", [0, 3, 5, 8])
def test_input_of_another_size_is_refused(request_size: int) -> None:
    with pytest.raises(ValueError, match=f"one u32 of 4 bytes, not {request_size}"):
        run_task(bytes(request_size), FakeAgent())


def test_position_0_is_refused() -> None:
    with pytest.raises(ValueError, match="position 0"):
        run_task(bytes(4), FakeAgent())


def test_it_asks_often_whether_to_go_on() -> None:
    agent = FakeAgent()
    run_task(struct.pack("<I", 1000), agent)
    assert agent.questions >= 10


def test_it_stops_when_told_to_and_writes_nothing() -> None:
    agent = FakeAgent(stop_at=2)
    assert run_task(struct.pack("<I", 1000), agent) == (False, b"")
    assert agent.questions == 2


def test_the_file_is_complete_in_itself(tmp_path: Path) -> None:
    shutil.copy(pi_task.__file__, tmp_path / "pi_task.py")
    program = "import sys, pi_task; print(pi_task.digits_at(1), 'hxgrid' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["141592653", "False"]
