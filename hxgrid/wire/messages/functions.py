"""Between a user and an agent: what an attempt runs, and why it went wrong."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hxgrid.wire.limits import MAX_NAME_CHARS
from hxgrid.wire.messages.parts import Digest, Document, Handle, Name, Size, Text


class FileEntry(Document):
    """One file of a module set."""

    path: Name
    """Relative, with forward slashes, original case."""
    digest: Digest
    bytes: Size


class FunctionOffer(Document):
    """40, user to agent: what a function id in ATTEMPTS stands for, from now on."""

    number: Literal[40] = 40
    function: Handle
    kind: Literal["module", "pickle", "source", "installed", "native"]
    """`module`: the first of `files` holds `entry(agent, session_id, in, out)`. `pickle`: the first
    of `files` is a pickled callable, the others are source trees that it refers to. `source`:
    `files` are source trees, `module` and `entry` name a callable in them. `installed`: `module`
    and `entry` name a callable of `distribution` in exactly `distribution_version`, or of the
    standard library if `distribution` is empty. These three run by the Executor's calling
    convention: the input is a pickled batch of calls. `native`: `files` are shared libraries."""
    entry: str = Field(default="", max_length=MAX_NAME_CHARS)
    module: str = Field(default="", max_length=MAX_NAME_CHARS)
    files: tuple[FileEntry, ...] = Field(default=(), max_length=10_000)
    distribution: str = Field(default="", max_length=256)
    distribution_version: str = Field(default="", max_length=256)
    python_implementation: str = Field(default="", max_length=64)
    python_version: str = Field(default="", max_length=64)
    """Required `major.minor` where code travels by value; empty: any."""
    time_limit_s: Annotated[float, Field(gt=0)] | None = None
    no_progress_limit_s: Annotated[float, Field(gt=0)] | None = None
    """An attempt that reports nothing new for so long is ended like one over its time limit."""
    label: str = Field(default="", max_length=MAX_NAME_CHARS)
    """What people call it, in logs and failure texts."""


class Reason(Document):
    """Payload of a RESULTS record that is not DONE: what happened, for people and for retries."""

    text: Text
    """One sentence."""
    exception: str = Field(default="", max_length=MAX_NAME_CHARS)
    """Qualified name of the exception's class, if one was raised."""
    traceback: Text = ""
    output: Text = ""
    """The last 64 KiB of the attempt's standard output and error."""
    signal: str = Field(default="", max_length=64)
    is_suspect: bool = False
    """Of LOST: several attempts ran in the process when it died, and nobody knows which of them is
    to blame. The next attempt should have the flag ALONE."""
