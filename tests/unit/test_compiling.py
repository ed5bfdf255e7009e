"""What becomes of a wheel where nothing can be compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import compile_modules


@pytest.mark.parametrize(("options", "status"), [((), 1), (("--if-possible",), 0)])
def test_without_a_compiler_nothing_half_made_is_left(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    status: int,
) -> None:
    folder = tmp_path / "compiled"

    def fail(made: Path) -> None:
        made.mkdir()
        raise compile_modules.CannotCompile("no cc")

    monkeypatch.setattr(compile_modules, "make", fail)
    assert compile_modules.main([str(folder), *options]) == status
    assert not folder.exists()
    assert "no cc" in capsys.readouterr().err
