"""Puts the layers on top of each other, and remembers for each value which layer it is from.

Each layer is checked by itself, so that a wrong value is blamed on the file and line it stands in
even where a higher layer would have covered it. What is wrong only together is found at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hxgrid.settings import complaints
from hxgrid.settings.models import (
    SECTIONS,
    AgentSettings,
    CoordinatorSettings,
    ProgramSettings,
    UserSettings,
)
from hxgrid.settings.original_names import WITHOUT_MEANING
from hxgrid.settings.sources import FILE_NAME, Places, Source, read_environment, read_file

S = TypeVar("S", bound=ProgramSettings)


class Origin(NamedTuple):
    """Where one value came from."""

    layer: str
    """default, system file, user file, working directory, environment, --config or argument."""
    place: str = ""
    """File and line, or the variable; empty where the layer says it all."""

    def __str__(self) -> str:
        return f"{self.layer} ({self.place})" if self.place else self.layer


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """The settings in force, and how they came to be."""

    settings: S
    origins: Mapping[str, Origin]
    """One for each key."""
    notices: tuple[str, ...] = ()
    """Sentences that the person who starts the program should read once."""


def load_coordinator_settings(
    *,
    config: Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    places: Places | None = None,
) -> Loaded[CoordinatorSettings]:
    """Return the coordinator's settings; ConfigError names what is wrong and where."""
    return _load(CoordinatorSettings, config, arguments or {}, places or Places())


def load_agent_settings(
    *,
    config: Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    places: Places | None = None,
) -> Loaded[AgentSettings]:
    """Return the agent's settings; ConfigError names what is wrong and where."""
    return _load(AgentSettings, config, arguments or {}, places or Places())


def load_user_settings(
    *,
    config: Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    places: Places | None = None,
) -> Loaded[UserSettings]:
    """Return a user program's settings; ConfigError names what is wrong and where."""
    return _load(UserSettings, config, arguments or {}, places or Places())


def stray_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that begin as settings do and are none: a notice tells of each."""
    return read_environment(environment, SECTIONS).strays


def _load(
    model: type[S], config: Path | None, arguments: Mapping[str, Any], places: Places
) -> Loaded[S]:
    section = complaints.section_of(model)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(model.model_fields, Origin("default"))
    notices: list[str] = []
    for source in _sources(places, config, is_user=model is UserSettings):
        notices += _notices(source)
        checked = {name: _check(source, name) for name in source.sections}
        for key, value in checked.get(section, {}).items():
            values[key] = value
            origins[key] = Origin(source.layer, source.place(section, key))
    for key, value in arguments.items():
        if value is not None:  # an option that was not given
            values[key] = _check_value(model, key, value, f"argument {key}", is_text=False)
            origins[key] = Origin("argument")
    places_of = {key: origin.place or f"{origin.layer} {key}" for key, origin in origins.items()}
    settings = _together(model, values, origins).with_places(
        {key: place for key, place in places_of.items() if key in values}
    )
    return Loaded(settings, origins, tuple(notices))


def _sources(places: Places, config: Path | None, *, is_user: bool) -> Iterator[Source]:
    files = [
        read_file("system file", places.system_file),
        read_file("user file", places.user_file),
    ]
    if is_user:
        files.append(read_file("working directory", places.working_directory / FILE_NAME))
    yield from (source for source in files if source is not None)
    yield read_environment(places.environment, SECTIONS)
    if config is not None:
        named = read_file("--config", config, is_required=True)
        if named is not None:
            yield named


def _check(source: Source, section: str) -> dict[str, Any]:
    model = SECTIONS.get(section)
    if model is None:
        raise complaints.unknown_section(section, SECTIONS, source.place(section))
    return {
        key: _check_value(model, key, value, source.place(section, key), is_text=source.is_text)
        for key, value in source.sections[section].items()
        if key.lower() not in WITHOUT_MEANING[section]
    }


def _notices(source: Source) -> Iterator[str]:
    yield from (complaints.stray_variable(name, SECTIONS) for name in source.strays)
    where = source.path or source.layer
    without_meaning = [
        f"[{section}] {key}"
        for section, values in source.sections.items()
        for key in values
        if key.lower() in WITHOUT_MEANING.get(section, ())
    ]
    if without_meaning:
        yield f"{where}: without a meaning now and ignored: {', '.join(without_meaning)}."
    others = [f"[{section}]" for section in source.sections if section != "user"]
    if others and source.layer == "working directory":
        yield f"{where}: only [user] is read from the working directory, not {', '.join(others)}."


def _check_value(
    model: type[ProgramSettings], key: str, value: Any, place: str, *, is_text: bool
) -> Any:
    field = model.model_fields.get(key)
    if field is None:
        raise complaints.unknown_key(model, key, place)
    # One key alone: the rules between keys are for the values that are in force in the end. The
    # description is there because Annotated insists on something beside the type.
    kind: Any = Annotated[(field.annotation, *field.metadata, field.description)]
    adapter: TypeAdapter[Any] = TypeAdapter(kind, config=ConfigDict(strict=True))
    try:
        return adapter.validate_python(value, strict=False if is_text else None)
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"]
        raise complaints.wrong_value(model, key, value, why, place) from None


def _together(model: type[S], values: dict[str, Any], origins: Mapping[str, Origin]) -> S:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        set_in = ", ".join(
            dict.fromkeys(o.place or o.layer for k, o in origins.items() if k in values)
        )
        raise complaints.from_validation(model, error, lambda _key: set_in) from None
