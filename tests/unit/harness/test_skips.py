from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.skips import is_allowed, missing_requirement, read_allowed_skips

LIST = """
# a comment
tests/unit/test_a.py::test_b[1-x] # no such device
tests/programs/* # these need a second computer
"""


def test_a_listed_test_may_be_skipped() -> None:
    allowed = read_allowed_skips(LIST)
    assert is_allowed("tests/unit/test_a.py::test_b[1-x]", allowed)
    assert is_allowed("tests/programs/test_c.py::test_d", allowed)


def test_any_other_test_may_not() -> None:
    assert not is_allowed("tests/unit/test_a.py::test_b[2-x]", read_allowed_skips(LIST))


def test_a_line_without_a_reason_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"allowed_skips\.txt:1: no reason"):
        read_allowed_skips("tests/unit/test_a.py")


def test_requirements_that_are_met_say_nothing() -> None:
    assert missing_requirement(("root", "sh"), user_id=0) is None


def test_a_missing_program_is_named() -> None:
    reason = missing_requirement(("no-such-program",), user_id=0)
    assert reason == "needs the program no-such-program (make system)"


def test_root_is_asked_for_only_where_needed() -> None:
    assert missing_requirement(("root",), user_id=1000) == "needs root"


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_skip_fails_only_where_it_decides(tmp_path: Path, ci: str, status: int) -> None:
    root = Path(__file__).parents[3]
    (tmp_path / "conftest.py").write_text((root / "tests/conftest.py").read_text())
    (tmp_path / "test_it.py").write_text("import pytest\ndef test_it(): pytest.skip('no wish')\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null"]
    run = subprocess.run(
        [*command, "--rootdir", tmp_path, tmp_path],
        cwd=root,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout
    assert ("allowed_skips.txt does not allow: Skipped: no wish" in run.stdout) is (status == 1)
