"""The documentation builds without a warning, and its tables hold what the code holds."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hxgrid.settings import SECTIONS
from hxgrid.settings.original_names import ORIGINAL_KEYS
from hxgrid.wire.documents import BY_NUMBER

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet"]
    build = subprocess.run(
        [*command, ROOT / "docs", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert build.returncode == 0, build.stderr
    assert build.stderr == ""
    return folder


def test_every_setting_is_in_the_tables(site: Path) -> None:
    page = (site / "settings.html").read_text()
    for model in SECTIONS.values():
        for key in model.model_fields:
            assert f">{key}</span></code>" in page
    for original in ORIGINAL_KEYS:
        assert re.search(rf"\[{original.section}\]</span> <span [^>]*>{original.name}<", page)


def test_every_setting_has_a_reason() -> None:
    for model in SECTIONS.values():
        for key, field in model.model_fields.items():
            assert field.description, key
            assert field.description.endswith("."), key


def test_every_message_is_in_the_protocol(site: Path) -> None:
    page = (site / "protocol.html").read_text()
    assert len(BY_NUMBER) > 10
    for number, document in BY_NUMBER.items():
        assert re.search(rf"<h3>{number} {document.__name__}", page), number


def test_no_mark_is_left_unfilled(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "&lt;!-- " not in page.read_text()
        assert not re.search(r"<!-- (settings|original|messages)", page.read_text())


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        outside = re.findall(r'(?:src|<link[^>]* href)="(https?://[^"]+)"', page.read_text())
        assert outside == [], page.name


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    text = (ROOT / "docs/dependencies.md").read_text()
    names = {re.split(r"[<>=\[,]", one)[0] for one in wanted} - {"hxgrid"}
    assert {name for name in names if name not in text} == set()


def test_every_link_of_the_readme_leads_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", text)
    assert len(targets) > 10
    for target, anchor in targets:
        assert (ROOT / target).exists(), target
        assert not anchor or anchor in anchors(ROOT / target), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
