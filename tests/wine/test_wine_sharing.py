"""What tasks in C++ share, with the locks of Windows."""

from __future__ import annotations

from pathlib import Path

from tests.native import building
from tests.wine.running import Wine

SOURCE = building.ROOT / "tests" / "native" / "sanitized" / "sharing.cpp"
TASKS = 20_000


def test_many_threads_share_what_one_of_them_has_made(wine: Wine, tmp_path: Path) -> None:
    program = tmp_path / "sharing.exe"
    flags = ["-std=c++11", "-O2", "-static", *building.WARNINGS, f"-I{building.INCLUDE}"]
    building.run(["x86_64-w64-mingw32-g++", *flags, str(SOURCE), "-o", str(program)])
    assert wine.run([str(program), str(TASKS)]).startswith(f"{TASKS} tasks, ")
