"""`hxgrid doctor`: every stage from network card to first task, and what to do about each fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hxgrid.cli.options import Common, common_options, json_option
from hxgrid.cli.output import duration, folded, show, show_json, width

if TYPE_CHECKING:
    from hxgrid.cli.stages import Finding

_MARKS = {"ok": "ok  ", "note": "note", "fault": "FAIL"}


@click.command("doctor")
@json_option
@common_options(local=True)
def command(as_json: bool, common: Common) -> int:
    """Test every stage from network card to first task, and say what is wrong and what to do.

    Ends with 0 only if everything works; with 3 if there is no grid.
    """
    from hxgrid.cli.stages import Examination

    examination = Examination(common)
    findings: list[Finding] = []
    for finding in examination.run():
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        show_json([finding._asdict() for finding in findings])
    faults = sum(finding.result == "fault" for finding in findings)
    if not faults:
        common.say("\nEverything works.")
        return 0
    common.say(f"\n{'One stage' if faults == 1 else f'{faults} stages'} failed.")
    return examination.exit_status


def _show(finding: Finding) -> None:
    took = f" ({duration(finding.after_s)})" if finding.after_s >= 0.001 else ""
    columns = max(width(), 40)
    text = f"{_MARKS[finding.result]}  {finding.stage}: {finding.text}{took}"
    show(folded(text, columns, " " * 6))
    if finding.advice:
        show(folded(f"      > {finding.advice}", columns, " " * 8))
