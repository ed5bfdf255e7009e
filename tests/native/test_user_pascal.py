"""The original's interface from Free Pascal, with the habits of the original's programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native import building, calling


@pytest.mark.system("fpc")
def test_a_pascal_program_uses_every_method(tmp_path: Path) -> None:
    # The sources name the units by folders, which the original's tree had.
    units = building.ROOT / "native" / "pascal"
    target = tmp_path / "pascal_user"
    flags = ["-Mdelphi", "-O2", "-Sa", "-vew", f"-Fu{units}", f"-Fu{units / 'compat'}"]
    source = str(calling.CALLERS / "pascal_user.pas")
    building.run(["fpc", *flags, f"-FU{tmp_path}", f"-o{target}", source])
    out = calling.run_caller(target, LD_LIBRARY_PATH=str(calling.LIBRARY_FOLDER))
    assert out == "done\n"
