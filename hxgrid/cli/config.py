"""`hxgrid config`: the settings in force, each with its origin; import of the original's file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hxgrid.cli.options import Common, common_options, json_option
from hxgrid.cli.output import Column, say, show, show_json, table, width
from hxgrid.errors import StoreError

if TYPE_CHECKING:
    from hxgrid.settings import Loaded, ProgramSettings

SECTIONS = ("coordinator", "agent", "user")


@click.command("config")
@click.argument("words", nargs=-1, metavar="[SECTION or KEY]...")
@click.option(
    "--import",
    "ini",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Translate the original's hxgrid.ini instead of showing anything.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --import: write the translation to this file instead of standard output.",
)
@click.option("--changed", is_flag=True, help="Only those that are not as delivered.")
@json_option
@common_options()
def command(
    words: tuple[str, ...],
    ini: Path | None,
    write: Path | None,
    changed: bool,
    as_json: bool,
    common: Common,
) -> None:
    """Show the settings in force, and where each one comes from.

    SECTION is coordinator, agent or user; KEY is (part of) a name. A file of the original is
    translated with --import; its text then goes where the settings files are, listed below the
    table.
    """
    if ini is not None:
        _translate(ini, write, common)
        return
    if write is not None:
        raise click.UsageError("--write goes with --import only.")
    loaded = _load_all(common)
    known = [row for section, settings in loaded.items() for row in _rows(section, settings)]
    _check(words, known)
    rows = [
        row
        for row in known
        if _is_wanted(row, words) and (not changed or row["origin"] != "default")
    ]
    if as_json:
        show_json(rows)
        return
    _show(rows)
    if changed and not rows:
        common.say("All settings are as delivered.\n")
    common.say(_places())


def _load_all(common: Common) -> dict[str, Loaded[Any]]:
    from hxgrid import settings as s

    arguments = {key: value for key, value in common.arguments.items() if key != "coordinator"}
    return {
        "coordinator": s.load_coordinator_settings(config=common.config, arguments=arguments),
        "agent": s.load_agent_settings(config=common.config, arguments=common.arguments),
        "user": common.load(),
    }


def _rows(section: str, loaded: Loaded[ProgramSettings]) -> list[dict[str, Any]]:
    values = loaded.settings.model_dump(mode="json")
    if values["secret_key"]:
        values["secret_key"] = "(set)"
    fields = type(loaded.settings).model_fields
    return [
        {
            "section": section,
            "key": key,
            "value": value,
            "origin": loaded.origins[key].layer,
            "place": loaded.origins[key].place,
            "description": fields[key].description or "",
        }
        for key, value in values.items()
    ]


def _check(words: tuple[str, ...], known: list[dict[str, Any]]) -> None:
    """Raise `UsageError` for a word that no section and no part of a key is."""
    keys = {row["key"] for row in known}
    for word in words:
        if word not in SECTIONS and not any(word in key for key in keys):
            nearest = difflib.get_close_matches(word, [*SECTIONS, *sorted(keys)], n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise click.UsageError(f"no setting is called {word!r}.{hint}")


def _is_wanted(row: dict[str, Any], words: tuple[str, ...]) -> bool:
    sections = {word for word in words if word in SECTIONS}
    keys = [word for word in words if word not in SECTIONS]
    return (not sections or row["section"] in sections) and (
        not keys or any(key in row["key"] for key in keys)
    )


def _show(rows: list[dict[str, Any]]) -> None:
    columns = [Column("setting"), Column("value"), Column("from", is_detail=True)]
    for section in SECTIONS:
        of_section = [row for row in rows if row["section"] == section]
        if of_section:
            show(f"[{section}]")
            cells = [
                [row["key"], _as_text(row["value"]), row["place"] or row["origin"]]
                for row in of_section
            ]
            show("\n".join(table(columns, cells, width()).splitlines()[1:]) + "\n")


def _as_text(value: Any) -> str:
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _places() -> str:
    from hxgrid.settings import Places

    places = Places()
    files = [
        ("this system", places.system_file),
        ("this person", places.user_file),
        ("this folder (users only)", places.working_directory / "hxgrid.toml"),
    ]
    lines = [
        f"  {path}{'' if path.exists() else ' (not there)'}: for {whom}" for whom, path in files
    ]
    return "\n".join(["Settings files, later ones win:", *lines])


def _translate(ini: Path, write: Path | None, common: Common) -> None:
    from hxgrid.settings import import_original, to_toml

    imported = import_original(ini)
    text = to_toml(imported.sections)
    for notice in imported.notices:
        common.say(notice)
    if write is None:
        show(text.rstrip())
        return
    try:
        with write.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{write} exists already.") from None
    except OSError as error:
        raise StoreError(f"{write} cannot be written", why=error.strerror or str(error)) from None
    say(f"Wrote {write}.")
