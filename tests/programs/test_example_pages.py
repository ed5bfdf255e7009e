"""The commands that serve a page: what they say, and how Ctrl-C ends them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from hxgrid_examples.normalmapper import generate, nmf

pytestmark = pytest.mark.slow

LIMIT_S = 60
INTERRUPTED = 130


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hxgrid", "example", *words]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], is_it: Callable[[str], object]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if is_it(line):
            return line
    raise AssertionError(f"it ended with {process.wait()} without saying it")


def page_at(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)
    assert found is not None, line
    with urllib.request.urlopen(found[0], timeout=30) as answer:
        return str(answer.read().decode())


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT_S)
    return process.returncode, said


def test_the_mandelbrot_window_says_where_it_is_and_ends_with_ctrl_c() -> None:
    process = started("mandelbrot", "--local", "--no-browser")
    try:
        assert "Mandelbrot" in page_at(read_until(process, lambda line: "http" in line))
        status, said = interrupted(process)
    finally:
        process.kill()
    assert status == INTERRUPTED
    assert "Traceback" not in said


def test_the_preview_stays_when_the_map_is_done_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    for name, squares in (("low", 2), ("high", 6)):
        nmf.write_nmf(tmp_path / f"{name}.nmf", generate.sheet(generate.plane, squares, squares))
    files = [str(tmp_path / name) for name in ("low.nmf", "high.nmf")]
    out = tmp_path / "out.png"
    process = started("normalmapper", "--local", "--preview", *files, "16", "16", str(out))
    try:
        line = read_until(process, lambda line: "The preview is at" in line)
        assert "NormalMapper" in page_at(line)
        read_until(process, lambda line: "stays until Ctrl-C" in line)
        assert out.exists()
        assert "NormalMapper" in page_at(line)
        status, said = interrupted(process)
    finally:
        process.kill()
    assert status == 0
    assert "Traceback" not in said
