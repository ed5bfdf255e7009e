"""What shared libraries say of themselves, and files that only look like them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hxgrid.modules.images import (
    Image,
    is_native,
    missing,
    normal_machine,
    platform_names,
    read_image,
)
from tests.harness import images

MADE = [images.elf("libm.so.6", "libown.so"), images.pe("KERNEL32.dll", "own.dll")]


def test_an_elf_file_says_what_it_is_for_and_what_it_needs() -> None:
    made = images.elf("libm.so.6", "libown.so.2", machine="aarch64")
    assert read_image(made) == Image("linux", "aarch64", ("libm.so.6", "libown.so.2"))
    assert read_image(images.elf()) == Image("linux", "x86_64")


def test_a_windows_file_says_so_too() -> None:
    made = images.pe("KERNEL32.dll", "own.dll", machine="x86")
    assert read_image(made) == Image("win32", "x86", ("KERNEL32.dll", "own.dll"))
    assert read_image(images.pe("own.dll")) == Image("win32", "x86_64", ("own.dll",))


def test_mach_o_files_say_for_which_computer_they_are() -> None:
    assert read_image(bytes.fromhex("cffaedfe0c000001")) == Image("darwin", "aarch64")
    assert read_image(bytes.fromhex("cafebabe00000002")) == Image("darwin", "")


@pytest.mark.system("gcc")
def test_a_compiled_library_is_read_as_the_linker_made_it(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text("double sin(double); double f(double x) { return sin(x); }")
    compiler = shutil.which("gcc") or "gcc"
    made = tmp_path / "liba.so"
    command = [compiler, "-shared", "-fPIC", str(source), "-Wl,--no-as-needed", "-lm"]
    subprocess.run([*command, "-o", str(made)], check=True)
    image = read_image(made.read_bytes())
    assert image is not None
    assert image.system == "linux"
    assert "libm.so.6" in image.needed
    assert missing([("liba.so", image)]) == []


@settings(max_examples=300)
@given(st.sampled_from(MADE), st.data())
def test_damaged_files_are_read_or_not_but_nothing_else(made: bytes, data: st.DataObject) -> None:
    damaged = bytearray(made)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    assert read_image(cut) is None or isinstance(read_image(cut), Image)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x7fELF\x02\x01", b"MZ"]))
def test_any_bytes_are_harmless(data: bytes, head: bytes) -> None:
    assert read_image(head + data) is None or isinstance(read_image(head + data), Image)


def test_what_neither_the_set_nor_the_system_has_is_found() -> None:
    one = Image("linux", "x86_64", ("libc.so.6", "libtwo.so", "libopencv_core.so.4.5"))
    two = Image("linux", "x86_64", ("libstdc++.so.6", "ld-linux-x86-64.so.2"))
    found = missing([("libone.so", one), ("parts/libtwo.so", two)])
    assert found == [("libone.so", "libopencv_core.so.4.5")]
    dll = Image(
        "win32", "x86_64", ("KERNEL32.dll", "api-ms-win-crt-heap-l1-1-0.dll", "MSVCP140.dll")
    )
    assert missing([("a.dll", dll)]) == [("a.dll", "MSVCP140.dll")]


def test_names_of_files_and_processors() -> None:
    assert [is_native(n) for n in ("a.so", "liba.so.1.2", "A.DLL", "x.dylib", "a.py", "so")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert normal_machine("AMD64") == "x86_64"
    assert platform_names("darwin", "arm64") == ("darwin-aarch64", "darwin")
