"""What is said of a wrong setting: file, line, key, allowed range and the nearest right key."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from hxgrid.errors import ConfigError
from hxgrid.settings.fields import describe_range
from hxgrid.settings.original_names import ORIGINAL_KEYS
from hxgrid.settings.sources import ENVIRONMENT_PREFIX, OTHER_VARIABLES, variable_name

Locate = Callable[[str], str]
"""Says where a key was set, such as "/etc/xdg/hxgrid/hxgrid.toml:12"."""


def section_of(model: type[BaseModel]) -> str:
    """Return the section that a model describes: `AgentSettings` is "agent"."""
    return model.__name__.removesuffix("Settings").lower()


def range_of(model: type[BaseModel], key: str) -> str:
    """Tell in words what a key allows."""
    return describe_range(model.model_json_schema()["properties"][key])


def from_validation(model: type[BaseModel], error: ValidationError, place: Locate) -> ConfigError:
    """Translate the first complaint of pydantic."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return against_each_other(model, str(first["ctx"]["error"]), place(""))
    key = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return unknown_key(model, key, place(key))
    return wrong_value(model, key, first["input"], first["msg"], place(key))


def check_section(model: type[BaseModel], values: Mapping[str, Any], place: Locate) -> None:
    """Raise ConfigError unless `values` make a model."""
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        raise from_validation(model, error, place) from None


def wrong_value(model: type[BaseModel], key: str, value: Any, why: str, place: str) -> ConfigError:
    """Complain about a type or a range."""
    shown = "..." if "secret" in key else repr(value)
    return ConfigError(
        f"{place}: [{section_of(model)}] {key} = {shown}",
        why=why.removeprefix("Value error, "),
        advice=f"Allowed: {range_of(model, key)}.",
    )


def against_each_other(model: type[BaseModel], why: str, place: str) -> ConfigError:
    """Complain about settings that are right alone and wrong together."""
    return ConfigError(f"{place}: [{section_of(model)}]", why=why, advice="Change one of them.")


def unknown_key(model: type[BaseModel], key: str, place: str) -> ConfigError:
    """Complain about a key that does not exist, and name the one that was meant."""
    section = section_of(model)
    modern = _modern_names(section).get(key.lower())
    nearest = [modern] if modern else _nearest(key, model.model_fields)
    return ConfigError(
        f"{place}: [{section}] has no key {key!r}",
        advice=_did_you_mean(nearest) or f"`hxgrid config` lists the keys of [{section}].",
    )


def unknown_section(name: str, known: Iterable[str], place: str) -> ConfigError:
    """Complain about a section that does not exist."""
    known = list(known)
    listed = ", ".join(f"[{section}]" for section in known)
    return ConfigError(
        f"{place}: there is no section [{name}]",
        advice=_did_you_mean(_nearest(name, known)) or f"The sections are {listed}.",
    )


def stray_variable(name: str, sections: Mapping[str, type[BaseModel]]) -> str:
    """Say that a variable sets nothing, and name the one that was meant."""
    rest = name.removeprefix(f"{ENVIRONMENT_PREFIX}_").lower()
    keys = [(section, key) for section, model in sections.items() for key in model.model_fields]
    meant = [variable_name(section, key) for section, key in keys if key == rest]
    if not meant:
        known = [*(variable_name(*names) for names in keys), *OTHER_VARIABLES]
        by_rest = {one.removeprefix(f"{ENVIRONMENT_PREFIX}_").lower(): one for one in known}
        meant = [by_rest[near] for near in _nearest(rest, by_rest)]
    advice = (
        f"Did you mean {' or '.join(meant)}?"
        if meant
        else "Settings are HXGRID_<SECTION>_<KEY>; `hxgrid config` lists them."
    )
    return f"The environment variable {name} is no setting and is ignored. {advice}"


def _did_you_mean(nearest: list[str]) -> str:
    return f"Did you mean {nearest[0]!r}?" if nearest else ""


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(word.lower().replace("-", "_"), known, n=1, cutoff=0.6)


def _modern_names(section: str) -> dict[str, str]:
    return {
        original.name.lower(): key
        for original in ORIGINAL_KEYS
        for target_section, key in original.targets
        if target_section == section
    }
