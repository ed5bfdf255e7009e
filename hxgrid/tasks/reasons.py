"""How an attempt that did not succeed is explained: the `Reason` of a result, as JSON bytes.

The schema is `hxgrid.wire.messages.Reason`. It is filled in here without pydantic, whose import
costs a task process more time and memory than everything else it loads; a test holds the two
against each other.
"""

from __future__ import annotations

import json
from pathlib import Path

from hxgrid.wire.limits import MAX_NAME_CHARS

OUTPUT_BYTES = 64 * 1024
"""How much of an attempt's standard output and error is kept: its end."""
_TRACEBACK_CHARS = 64 * 1024
_TEXT_CHARS = 16 * 1024
_OWN_FOLDERS: list[str] = []


def reason(
    text: str, *, exception: str = "", trace: str = "", output: bytes = b"", signal: str = ""
) -> bytes:
    """Return the payload of a result that is not DONE."""
    fields = {
        "text": _shortened(text, _TEXT_CHARS),
        "exception": exception[:MAX_NAME_CHARS],
        "traceback": _shortened(trace, _TRACEBACK_CHARS),
        "output": output[-OUTPUT_BYTES:].decode("utf-8", "replace"),
        "signal": signal,
    }
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")


def name_of(error: BaseException) -> str:
    """Return the qualified name of an exception's class."""
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def sentence(error: BaseException) -> str:
    """Return class and text of an exception, even if its own `__str__` is broken."""
    try:
        text = str(error)
    except Exception as problem:  # noqa: BLE001 - foreign code; its failure is part of the answer
        text = f"(its text cannot be had: {type(problem).__name__})"
    return f"{name_of(error)}: {text}" if text else name_of(error)


def hide_folder(folder: Path) -> None:
    """Leave frames of files in `folder` out of tracebacks: they are ours, not the task's."""
    _OWN_FOLDERS.append(str(folder))
    # Compiled modules name their source by its place below the package's parent.
    for package in ("hxgrid", "hxgrid_agent"):
        _, found, rest = folder.as_posix().rpartition(f"/{package}/")
        if found:
            _OWN_FOLDERS.append(str(Path(package, rest)))


hide_folder(Path(__file__).parent)


def traceback_of(error: BaseException) -> str:
    """Format an exception with its traceback from the task's first line on."""
    import traceback

    frame = error.__traceback__
    while frame is not None and _is_own(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frame))
    except Exception:  # noqa: BLE001 - foreign `__str__` or source file; the frames alone remain
        return "".join(traceback.format_tb(frame)) + sentence(error)


def _is_own(file: str) -> bool:
    return str(Path(file).parent) in _OWN_FOLDERS


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2 - 20
    return f"{text[:half]}\n... (shortened) ...\n{text[-half:]}"
