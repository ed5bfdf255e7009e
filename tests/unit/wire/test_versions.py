"""Who may talk to whom."""

from __future__ import annotations

from hxgrid.wire.versions import PROTOCOL_MAJOR, is_compatible, mismatch_text


def test_another_minor_version_does_not_matter_and_another_major_does() -> None:
    assert is_compatible(PROTOCOL_MAJOR)
    assert not is_compatible(PROTOCOL_MAJOR + 1)
    assert not is_compatible(PROTOCOL_MAJOR - 1)


def test_the_text_names_both_versions_and_what_to_do() -> None:
    text = mismatch_text("agent pc7", 99, 4)
    assert "agent pc7" in text
    assert "99.4" in text
    assert f"{PROTOCOL_MAJOR}." in text
    assert "install" in text
