"""Types of single settings, and the words in which their range is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from hxgrid.settings.addresses import check_address

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_KEY = "a key of 40 characters, or empty"
_Z85_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


def _in_words(text: str) -> Any:
    """Give the range of a text, which numbers cannot describe."""
    return Field(json_schema_extra={"in_words": text})


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value  # TOML and the environment cannot say "none"


def _split_list(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _check_key(key: str) -> str:
    if key and not _Z85_KEY.fullmatch(key):
        raise ValueError("a key is 40 characters, as `hxgrid` printed it")
    return key


def _check_secret_key(key: SecretStr) -> SecretStr:
    _check_key(key.get_secret_value())
    return key


Port = Annotated[int, Field(ge=1, le=65535)]
PortOrFree = Annotated[int, Field(ge=0, le=65535)]
OptionalPort = Annotated[PortOrFree | None, BeforeValidator(_none_if_empty)]
Seconds = Annotated[float, Field(ge=0.01, le=86400, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
# What an agent grants to a session; nobody gets more from it by asking.
LeaseSeconds = Annotated[float, Field(ge=0.1, le=3600, allow_inf_nan=False)]
GraceSeconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
OptionalSeconds = Annotated[Seconds | None, BeforeValidator(_none_if_empty)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
OptionalSlots = Annotated[
    Annotated[int, Field(ge=1, le=4096)] | None, BeforeValidator(_none_if_empty)
]
OptionalSpare = Annotated[
    Annotated[int, Field(ge=0, le=4096)] | None, BeforeValidator(_none_if_empty)
]
SendAhead = Annotated[int, Field(ge=0, le=10_000)] | Literal["auto"]
LogBytes = Annotated[int, Field(ge=10_000, le=2**53)]  # 0 would mean a file without limit
Address = Annotated[str, AfterValidator(check_address), _in_words("HOST or HOST:PORT, or empty")]
BindAddress = Annotated[
    str,
    Field(max_length=255),
    _in_words("the address of a network card of this computer, or empty"),
]
OptionalText = Annotated[
    Annotated[str, Field(min_length=1, max_length=64)] | None, BeforeValidator(_none_if_empty)
]
# Strict models take no text for a path; files and the environment have nothing else.
Folder = Annotated[Annotated[Path, Field(strict=False)] | None, BeforeValidator(_none_if_empty)]
File = Folder
PublicKey = Annotated[str, AfterValidator(_check_key), _in_words(_KEY)]
SecretKey = Annotated[
    SecretStr, Field(strict=False), AfterValidator(_check_secret_key), _in_words(_KEY)
]
_KeyList = Annotated[
    tuple[PublicKey, ...],
    Field(strict=False, max_length=100_000),
    _in_words("a list of keys of 40 characters"),
]
PublicKeys = Annotated[_KeyList, BeforeValidator(_split_list)]
_Label = Annotated[str, Field(min_length=1, max_length=64)]
_LabelList = Annotated[
    tuple[_Label, ...],
    Field(strict=False, max_length=100),
    _in_words("a list of words"),
]
Labels = Annotated[_LabelList, BeforeValidator(_split_list)]

_WORDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}


def describe_range(schema: dict[str, Any]) -> str:
    """Tell in words what the JSON schema of one setting allows."""
    if "in_words" in schema:
        return str(schema["in_words"])
    if "anyOf" in schema:
        return " or ".join(describe_range(option) for option in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f'"{value}"' for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    match schema.get("type"):
        case "null":
            return 'none (written as "")'
        case "array":
            return "a list of texts"
        case "string":
            return _describe_text(schema)
        case kind:
            return _WORDS.get(str(kind), "a value") + _describe_limits(schema)


def _describe_text(schema: dict[str, Any]) -> str:
    if schema.get("format") == "path":
        return "a path"
    if "maxLength" in schema:
        return f"a text of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    return "a text"


def _describe_limits(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None:
        return ""
    return f" from {_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
