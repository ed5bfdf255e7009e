"""What all examples share of compiling, with a compiler that only says how it was called."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from hxgrid_examples import compiling
from hxgrid_examples.compiling import CompileError
from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot import library as mandelbrot
from hxgrid_examples.normalmapper import library as normalmapper
from hxgrid_examples.picalculator import app as picalculator

COMPILER = """
import pathlib, sys
words = sys.argv[1:]
calls = pathlib.Path(__file__).with_name("calls")
with calls.open("a") as file:
    print(*words, file=file)
if "-DBROKEN" in words:
    sys.exit("task.cpp:1: this is no C++")
pathlib.Path(words[words.index("-o") + 1]).write_text("made")
"""


class Compiler:
    """A program that CXX names, and a folder of sources for it."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "compiler.py"
        self.program.write_text(COMPILER)
        self.command = [sys.executable, str(self.program)]
        self.sources = folder / "native"
        self.sources.mkdir()
        (self.sources / "task.cpp").write_text("int a;")
        (self.sources / "task.h").write_text("int b;")

    def calls(self) -> list[str]:
        file = self.program.with_name("calls")
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    made = Compiler(tmp_path)
    monkeypatch.setenv("CXX", shlex.join(made.command))
    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path / "cache")
    return made


@pytest.fixture
def _no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (compiling, picalculator):
        monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")


def test_a_library_is_compiled_once(compiler: Compiler) -> None:
    first = compiling.task_library("a", compiler.sources, ["-DX"], ["-ly"])
    again = compiling.task_library("a", compiler.sources, ["-DX"], ["-ly"])
    assert first == again
    assert first.read_text() == "made"
    (call,) = compiler.calls()
    assert " -DX " in call
    assert str(compiler.sources / "task.cpp") in call
    assert call.endswith(" -ly")


@pytest.mark.parametrize("file", ["task.cpp", "task.h", "more.cpp"])
def test_changed_sources_are_compiled_again(compiler: Compiler, file: str) -> None:
    before = compiling.task_library("a", compiler.sources)
    (compiler.sources / file).write_text("int c;")
    assert compiling.task_library("a", compiler.sources) != before
    assert len(compiler.calls()) == 2


def test_other_flags_and_libraries_make_another_library(compiler: Compiler) -> None:
    sources = compiler.sources
    made = {
        compiling.task_library("a", sources),
        compiling.task_library("a", sources, ["-DX"]),
        compiling.task_library("a", sources, [], ["-ly"]),
    }
    assert len(made) == 3


def test_every_library_gives_the_same_bits_everywhere(compiler: Compiler) -> None:
    compiling.task_library("a", compiler.sources)
    assert "-ffp-contract=off -fno-fast-math" in compiler.calls()[0]


def test_what_the_compiler_says_is_told_and_nothing_is_left(compiler: Compiler) -> None:
    with pytest.raises(CompileError, match="compiler failed") as caught:
        compiling.task_library("a", compiler.sources, ["-DBROKEN"])
    assert caught.value.output == "task.cpp:1: this is no C++"
    assert str(caught.value).endswith("this is no C++")
    (folder,) = (compiler.program.parent / "cache" / "a").iterdir()
    assert list(folder.iterdir()) == []


def test_advice_stands_behind_the_sentence() -> None:
    assert (
        CompileError("it failed", "line 1").with_advice("do this") == "it failed; do this\nline 1"
    )
    assert CompileError("it failed").with_advice("do this") == "it failed; do this"


def test_a_compiler_that_cannot_be_run_is_told(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", str(compiler.program.with_name("nowhere")))
    with pytest.raises(CompileError, match="could not be run"):
        compiling.task_library("a", compiler.sources)


@pytest.mark.usefixtures("_no_compiler")
def test_without_a_compiler_mandelbrot_names_the_task_in_python() -> None:
    for exact in (False, True):
        with pytest.raises(JobError, match=r"no C\+\+ compiler.*task in Python"):
            mandelbrot.load(exact=exact)


@pytest.mark.usefixtures("_no_compiler")
def test_without_a_compiler_normalmapper_names_the_variable() -> None:
    with pytest.raises(JobError, match=r"no C\+\+ compiler.*variable CXX"):
        normalmapper.load()


@pytest.mark.usefixtures("_no_compiler")
def test_without_a_compiler_pi_ends_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert picalculator.main(["9", "--address", "inline", "--task", "cpp"]) == 2
    assert "no C++ compiler was found" in capsys.readouterr().err
