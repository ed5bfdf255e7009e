"""What holds for every test: requirements, no silent skips, and the table of rows."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.harness import rows, skips

if TYPE_CHECKING:
    from collections.abc import Generator

_R = TypeVar("_R", pytest.TestReport, pytest.CollectReport)

_NAMES = pytest.StashKey[list[str]]()
"""Of all tests that were collected, whether they run or not."""

_ALLOWED = skips.read_allowed_skips(skips.LIST.read_text(encoding="utf-8"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--rows`, for runs of everything."""
    parser.addoption("--rows", action="store_true", help="say which tests cover tests/rows.txt")


def pytest_configure() -> None:
    """Undo what programs under test would inherit from the way in which the tests were started.

    In the background SIGINT is ignored, and they would ignore the Ctrl-C that tests give them. The
    width of a terminal, which parallel runs hand on, would change what they print into a pipe.
    """
    os.environ.pop("COLUMNS", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip `@pytest.mark.system("root", "ip")` tests where root or the program is not there."""
    for marker in item.iter_markers("system"):
        missing = skips.missing_requirement(marker.args, user_id=_user_id())
        if missing is not None:
            pytest.skip(missing)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that nobody has allowed into a failure where CI=true."""
    report = yield
    return _judged(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for modules that skip themselves as a whole."""
    report = yield
    return _judged(report)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note the names before any are left out: `make test test-all` runs each test once."""
    config.stash[_NAMES] = [getattr(item, "originalname", item.name) for item in items]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the names on, where this is one of several processes that share the tests."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None and session.config.getoption("rows"):
        output["row_names"] = session.config.stash.get(_NAMES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take them over from the process that has ended."""
    names = getattr(node, "workeroutput", {}).get("row_names")
    if names is not None:
        node.config.stash[_NAMES] = names


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of rows if it was asked for."""
    if config.getoption("rows"):
        terminalreporter.section("rows of tests/rows.txt")
        listed = rows.read_rows(rows.LIST.read_text(encoding="utf-8"))
        decided = rows.reasons(rows.decisions())
        names: list[str] = config.stash.get(_NAMES, [])
        for line in rows.table(listed, rows.tests_by_row(names), decided):
            terminalreporter.write_line(line)


def _judged(report: _R) -> _R:
    is_xfail = hasattr(report, "wasxfail")
    if not report.skipped or is_xfail or os.environ.get("CI") != "true":
        return report
    if not skips.is_allowed(report.nodeid, _ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"skipped, which tests/allowed_skips.txt does not allow: {_why(report)}"
    return report


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    # For a skip, pytest puts (file, line, reason) here.
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)


def _user_id() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
