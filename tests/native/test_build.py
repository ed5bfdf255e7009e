"""Building the library, saying why there is none, and finding the parts."""

from __future__ import annotations

import importlib.util
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from hxgrid import _native, native
from tests.native import building
from tests.native.driver import open_library


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """native/build.py, with a target of its own."""
    spec = importlib.util.spec_from_file_location("builder", building.ROOT / "native" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TARGET", tmp_path)
    return module


def test_the_library_is_built_with_the_headers_it_was_made_of(builder: Any, tmp_path: Path) -> None:
    library = builder.build(tmp_path)
    assert library.name == _native.library_name()
    assert open_library(library).HXG_PAGE_RING == 4096
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [library.name, builder.user_library_name(), "hxg_host.h", "hxgrid_task.h"]
    )
    assert builder.is_fresh(tmp_path)


def test_a_changed_source_makes_it_stale(builder: Any, tmp_path: Path) -> None:
    library = builder.build(tmp_path)
    long_ago = library.stat().st_mtime - 10 * 365 * 86400
    os.utime(library, (long_ago, long_ago))
    assert not builder.is_fresh(tmp_path)


def test_without_a_compiler_the_reason_is_kept(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert builder.build_or_explain(tmp_path) is None
    assert "no C compiler was found" in (tmp_path / builder.REASON).read_text()


def test_a_compiler_that_fails_is_quoted(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken cc"
    broken.write_text("#!/bin/sh\necho no such flag >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", f"'{broken}'")
    assert builder.build_or_explain(tmp_path) is None
    assert "no such flag" in (tmp_path / builder.REASON).read_text()


def test_a_build_that_works_again_takes_the_reason_away(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / builder.REASON).write_text("some reason")
    assert builder.build_or_explain(tmp_path) is not None
    assert not (tmp_path / builder.REASON).exists()


def test_who_asks_for_a_missing_library_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert native.why_missing() == ""
    monkeypatch.setattr(_native, "_HERE", tmp_path)
    assert native.library_path() is None
    assert "install hxGrid where there is a C compiler" in native.why_missing()
    (tmp_path / "why_missing.txt").write_text("the reason\n")
    assert native.why_missing().endswith("without its task library: the reason")


def test_the_parts_are_where_they_are_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (native.include_path() / "hxgrid" / "hxGridInterface.h").is_file()
    assert (native.include_path() / "hxgrid-compat" / "windows.h").is_file()
    assert (native.pascal_path() / "I_Agent.pas").is_file()
    # In a wheel they lie beside the library.
    (tmp_path / "include").mkdir()
    monkeypatch.setattr(_native, "_HERE", tmp_path)
    assert native.include_path() == tmp_path / "include"


@pytest.mark.system("cmake", "g++", "pkg-config")
def test_cmake_and_pkg_config_find_the_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, installed, use = tmp_path / "made", tmp_path / "installed", tmp_path / "use"
    building.run(["cmake", "-S", str(building.ROOT / "native"), "-B", str(made)])
    building.run(["cmake", "--build", str(made)])
    building.run(["cmake", "--install", str(made), "--prefix", str(installed)])
    use.mkdir()
    (use / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(use CXX)\nfind_package(hxgrid REQUIRED)\n"
        f"add_library(original MODULE {building.MODULES / 'original.cpp'})\n"
        "target_link_libraries(original hxgrid::compat)\n"
        f"add_executable(modern {building.ROOT / 'tests/native/callers/modern.cpp'})\n"
        "target_link_libraries(modern hxgrid::user)\n"
    )
    built = str(use / "built")
    building.run(["cmake", "-S", str(use), "-B", built, f"-DCMAKE_PREFIX_PATH={installed}"])
    building.run(["cmake", "--build", built])
    monkeypatch.setenv("PKG_CONFIG_PATH", str(installed / "share" / "pkgconfig"))
    flags = building.run(["pkg-config", "--cflags", "hxgrid"]).split()
    libraries = building.run(["pkg-config", "--libs", "hxgrid"]).split()
    caller = str(building.ROOT / "tests" / "native" / "callers" / "modern.cpp")
    building.run(["g++", *flags, caller, *libraries, "-pthread", "-o", str(tmp_path / "modern")])
    throwing = building.MODULES / "throwing.cpp"
    building.run(["g++", "-std=c++11", "-fsyntax-only", *flags, str(throwing)])
