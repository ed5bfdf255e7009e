"""Sphinx extension: fills in what stands in the code already, so that it is written once.

A line `<!-- settings: agent -->` becomes the table of that section, `<!-- original names -->` the
table of the original's keys, and `<!-- messages -->` the catalogue of messages.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic.fields import FieldInfo
from sphinx.application import Sphinx

from hxgrid.settings import SECTIONS, ProgramSettings
from hxgrid.settings.complaints import range_of
from hxgrid.settings.original_names import ORIGINAL_KEYS

ROOT = Path(__file__).parents[1]
WIRE = ROOT / "hxgrid/wire"
CATALOGUE = WIRE / "messages/__init__.py"
CONVERSATIONS = ["doors", "sessions", "functions", "blobs", "rosters", "parts"]
"""Modules of the catalogue, in the order of the page."""
_MARK = re.compile(r"^<!-- (settings|original names|messages)(?:: (\w+))? -->$", re.MULTILINE)
_NUMBERED = re.compile(r"^(\d+), (.+)$", re.DOTALL)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _fill_in)
    return {"parallel_read_safe": True}


def _fill_in(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = _MARK.sub(lambda mark: _WRITERS[mark[1]](mark[2]), source[0])


# ------------------------------------------------------------------ settings


def settings_table(section: str) -> str:
    """Return the table of a section, own settings first."""
    model = SECTIONS[section]
    own = [key for key in model.model_fields if key not in ProgramSettings.model_fields]
    shared = [key for key in model.model_fields if key in ProgramSettings.model_fields]
    rows = [_setting_row(model, key) for key in own + shared]
    return _table(["key", "default", "allowed", "what it does and why"], rows)


def original_names_table(_argument: str | None) -> str:
    """Return the table of the original's keys and their names here."""
    rows = []
    for key in ORIGINAL_KEYS:
        targets = "<br>".join(f"`[{section}] {name}`" for section, name in key.targets)
        rows.append([f"`[{key.section}] {key.name}`", targets or "no meaning now", key.note])
    return _table(["hxgrid.ini", "here", "notes"], rows)


def _setting_row(model: type[ProgramSettings], key: str) -> list[str]:
    field = model.model_fields[key]
    return [f"`{key}`", _default(field), range_of(model, key), field.description or ""]


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default_text" in extra:
        return str(extra["default_text"])
    match field.default:
        case None:
            return "none"
        case bool() as switch:
            return f"`{str(switch).lower()}`"
        case int() | float() as number:
            return f"`{number}`"
        case str() as text if text:
            return f'`"{text}"`'
        case _:
            return "empty"


# ------------------------------------------------------------------ messages


def message_catalogue(_argument: str | None) -> str:
    """Return the catalogue: its own introduction, the batches, then each document."""
    files = [WIRE / "codes.py", *(CATALOGUE.with_name(f"{name}.py") for name in CONVERSATIONS)]
    classes = {name: node for file in files for name, node in _classes(_parsed(file))}
    parts = [_without_title(ast.get_docstring(_parsed(CATALOGUE)) or "")]
    parts += ["## Batches", _attribute_table(classes["Batch"], with_value=True)]
    parts += ["## Documents", *_documents(classes)]
    parts += ["## Parts of documents", *_parts(classes)]
    return "\n\n".join(parts)


def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _classes(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef]]:
    return ((node.name, node) for node in tree.body if isinstance(node, ast.ClassDef))


def _without_title(docstring: str) -> str:
    # Its own heading becomes one of the page, and its first line is the page's title already.
    body = docstring.split("\n", 1)[1].strip()
    return re.sub(r"^(.+)\n-{3,}$", r"## \1\n", body, flags=re.MULTILINE)


def _documents(classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    for name, node in classes.items():
        if numbered := _NUMBERED.match(ast.get_docstring(node) or ""):
            yield f"### {numbered[1]} {name}\n\n{_sentence(numbered[2])}"
            yield _attribute_table(node)


def _parts(classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    for name, node in classes.items():
        docstring = ast.get_docstring(node) or ""
        if name not in {"Batch", "Document"} and not _NUMBERED.match(docstring):
            yield f"### {name}\n\n{docstring}"
            yield _attribute_table(node, with_value=True)


def _attribute_table(node: ast.ClassDef, *, with_value: bool = False) -> str:
    rows = []
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        row = _attribute_row(statement, with_value=with_value)
        if row is not None:
            rows.append([*row, _docstring_of(following)])
    return _table(["field", "value or type", "meaning"], rows) if rows else ""


def _attribute_row(statement: ast.stmt, *, with_value: bool) -> list[str] | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if name != "number":
            return [f"`{name}`", f"`{ast.unparse(annotation)}`"]
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if with_value:
            return [f"`{name}`", f"`{ast.unparse(value)}`"] if name.isupper() else None
    return None


def _docstring_of(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str() as text)):
            return text
    return ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# ------------------------------------------------------------------ tables


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


_WRITERS: dict[str, Callable[[str], str]] = {
    "settings": settings_table,
    "original names": original_names_table,
    "messages": message_catalogue,
}
