"""The library for applications under sanitizers: every scene, with the library compiled in."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from random import Random

import pytest

from hxgrid.bridge.frames import PROTOCOL_VERSION, Kind, make_frame, pack_text
from tests.native import building, calling

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.system("gcc")]

FUZZED_RUNS = 300
SCENES = ("many", "cancel", "data", "failure", "threads", "full", "settings")


def compile_with_library(folder: Path, *options: str) -> Path:
    program = folder / "sanitized"
    shared = ["-std=gnu99", "-O1", "-g", *options, f"-I{building.INCLUDE}"]
    sources = [str(calling.CALLERS / "flat.c"), *calling.user_sources()]
    building.run(["gcc", *shared, *sources, "-pthread", "-ldl", "-lm", "-o", str(program)])
    return program


def test_no_error_and_no_leak_under_address_and_undefined_behaviour_sanitizer(
    tmp_path: Path,
) -> None:
    program = compile_with_library(
        tmp_path, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    )
    for scene in SCENES:
        calling.run_caller(program, scene, ASAN_OPTIONS="detect_leaks=1")


def test_whatever_a_bridge_says_is_an_error_and_no_fault(tmp_path: Path) -> None:
    program = compile_with_library(
        tmp_path, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    )
    bridge = tmp_path / "bridge"
    bridge.write_text(f"#!/bin/sh\nexec cat {tmp_path / 'said'}\n")
    bridge.chmod(0o755)
    for seed in range(FUZZED_RUNS):
        (tmp_path / "said").write_bytes(fuzzed(Random(seed)))
        out = calling.run_caller(program, "fuzzed", HXGRID_BRIDGE=str(bridge))
        assert int(out) != 0, f"seed {seed}"


def fuzzed(chance: Random) -> bytes:
    """Return what a bridge might say, with errors: wrong bytes, sizes, orders, ends."""
    beginning = [
        (Kind.HELLO, 0, struct.pack("<I", PROTOCOL_VERSION) + pack_text("1"), b""),
        (Kind.WINDOW, 0, struct.pack("<IQI", 10, 1 << 20, chance.choice([1, 1, 3, 1 << 31])), b""),
        (Kind.READY, 0, b"", b""),
    ]
    anything = [
        (Kind.REPLY, chance.randrange(4), struct.pack("<II", 0, 1) + b"1" * 12, b""),
        (Kind.REPLY, chance.randrange(4), struct.pack("<I", 25) + pack_text("no"), b"more"),
        (Kind.RESULT, 0, struct.pack("<I", chance.randrange(3)), chance.randbytes(20)),
        (Kind.FAILED, 0, struct.pack("<II", 1, 25) + pack_text("why") + pack_text("all"), b""),
        (Kind.WANTED, 0, struct.pack("<I", 7) + pack_text("name"), b""),
        (Kind.ENDED, 0, struct.pack("<I", 32) + pack_text("the end"), b""),
        (chance.choice(list(Kind)), chance.getrandbits(32), chance.randbytes(9), b""),
    ]
    frames = beginning + chance.choices(anything, k=chance.randrange(6))
    said = bytearray(b"".join(make_frame(*one[:3], len(one[3])) + one[3] for one in frames))
    for _ in range(chance.choice([0, 0, 1, 3])):
        said[chance.randrange(len(said))] = chance.choice([0, 1, 127, 255, chance.getrandbits(8)])
    return bytes(said[: chance.choice([len(said), chance.randrange(len(said))])])


@pytest.mark.system("gcc", "setarch")
def test_no_race_under_thread_sanitizer(tmp_path: Path) -> None:
    program = compile_with_library(tmp_path, "-fsanitize=thread")
    # It wants its shadow memory where random addresses may be.
    setarch = Path(shutil.which("setarch") or "setarch")
    for scene in SCENES:
        calling.run_caller(
            setarch, "--addr-no-randomize", str(program), scene, TSAN_OPTIONS="halt_on_error=1"
        )
