"""The way out: order, bounds, and the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from hxgrid.bridge.frames import HEADER, Kind
from hxgrid.bridge.writer import FrameWriter, Window
from tests.harness.wait import wait_until


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def read_exactly(descriptor: int, count: int) -> bytes:
    found = b""
    while len(found) < count:
        found += os.read(descriptor, count - len(found))
    return found


def test_frames_are_written_in_order_whatever_their_size(pipe: tuple[int, int]) -> None:
    writer = FrameWriter(pipe[1])
    large = bytes(range(256)) * 1000
    writer.put(Kind.HELLO, b"one")
    writer.put(Kind.RESULT, b"two", large, call=5)
    writer.put(Kind.READY)
    writer.start()
    assert read_exactly(pipe[0], 19) == HEADER.pack(64, 0, 3, 0) + b"one"
    assert read_exactly(pipe[0], 19) == HEADER.pack(68, 5, 3, len(large)) + b"two"
    assert read_exactly(pipe[0], len(large)) == large
    assert read_exactly(pipe[0], 16) == HEADER.pack(66, 0, 0, 0)
    writer.stop(5.0)


def test_nothing_waits_for_a_reader_that_has_gone() -> None:
    source, target = os.pipe()
    os.close(source)
    writer = FrameWriter(target)
    writer.start()
    writer.put(Kind.READY)
    writer.stop(5.0)
    writer.put(Kind.READY)
    os.close(target)


def test_the_window_holds_back_until_results_are_taken() -> None:
    window = Window(max_bytes=100, max_count=3)
    window.pass_through(60)
    window.pass_through(60)
    passed = threading.Event()

    def third() -> None:
        window.pass_through(1)
        passed.set()

    thread = threading.Thread(target=third)
    thread.start()
    assert not passed.is_set()
    window.taken(1, 60)
    wait_until(passed.is_set, 5.0, "the window to open")
    thread.join()


def test_one_result_of_any_size_passes() -> None:
    Window(max_bytes=10, max_count=3).pass_through(10**9)


def test_an_open_window_holds_nothing_back() -> None:
    window = Window(max_bytes=1, max_count=1)
    window.open()
    for _ in range(5):
        window.pass_through(10)
