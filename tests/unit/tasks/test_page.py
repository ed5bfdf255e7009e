from __future__ import annotations

from pathlib import Path

import pytest

from hxgrid.tasks.page import RING, SharedPage, flag_of


def test_both_ends_see_one_page(tmp_path: Path) -> None:
    ours = SharedPage.create(tmp_path / "page")
    theirs = SharedPage.open(str(tmp_path / "page"))
    theirs.begin(2**40, 12.5)
    theirs.beat()
    theirs.mark_output(99)
    ours.cancel(3)
    ours.suspend(True)
    assert (ours.running, ours.beats, ours.output_mark) == ((2**40, 12.5), 1, 99)
    assert theirs.flags[flag_of(3)] == 1
    assert theirs.flags[0] == 1
    ours.close()
    theirs.close()


def test_every_serial_of_a_ring_has_a_flag_of_its_own() -> None:
    places = {flag_of(serial) for serial in range(1, RING + 1)}
    assert len(places) == RING
    assert max(places) < len(SharedPage().flags)


def test_a_report_is_read_as_it_was_written() -> None:
    page = SharedPage()
    assert page.report() is None
    page.write_report(7, 0.5, "half of it")
    assert page.report() == (7, 0.5, "half of it")


def test_too_long_a_report_is_cut() -> None:
    page = SharedPage()
    page.write_report(7, 0.5, "ö" * 5000)
    report = page.report()
    assert report is not None
    assert report.text.startswith("öö")
    assert len(report.text) < 1000
    assert page.flags[flag_of(0)] == 0


def test_a_page_is_never_made_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "page").touch()
    with pytest.raises(FileExistsError):
        SharedPage.create(tmp_path / "page")
