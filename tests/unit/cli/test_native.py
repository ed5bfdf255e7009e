"""`hxgrid native`."""

from __future__ import annotations

import shlex
from pathlib import Path

from click.testing import CliRunner

from hxgrid import native
from hxgrid.cli.native import command


def output_of(*arguments: str) -> str:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_compiler_options_name_a_folder_with_the_headers() -> None:
    (flag,) = shlex.split(output_of("--cflags"))
    assert Path(flag.removeprefix("-I"), "hxgrid", "hxgrid.h").is_file()


def test_compat_adds_the_original_names() -> None:
    compat, _ = shlex.split(output_of("--cflags", "--compat"))
    assert Path(compat.removeprefix("-I"), "windows.h").is_file()
    *_, units = output_of("--pascal-dir", "--compat").splitlines()
    assert Path(units, "windows.pas").is_file()


def test_options_come_on_one_line_for_a_command() -> None:
    assert len(output_of("--cflags", "--libs").splitlines()) == 1


def test_without_options_everything_is_listed() -> None:
    words = [line.split()[0] for line in output_of().splitlines()]
    assert words == ["cflags", "libs", "pascal-dir", "library", "bridge"]
    library = native.user_library_path()
    assert library is not None
    assert str(library) in output_of("--library")
