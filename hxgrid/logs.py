"""Logs: one logger per room, `key=value` pairs, files that cannot grow without limit.

    log = get_logger("transport").bind(session=session_id)
    log.info("connected", agent=name, address=address)

A line is an event in a few words and then pairs: `connected session=3f agent=pc7 address=...`. The
ids always go by the same keys: `session`, `task`, `attempt`, `agent`. Levels are meant: info is
for the owner of the computer, debug for whoever looks for a fault, warning for what somebody should
do something about, error for what went wrong. Payloads and keys never appear in a line.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

from hxgrid.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LEVELS = ("debug", "info", "warning", "error")
"""The levels that `configure_logging` and the command line know, from the most talkative on."""

_ROOT = "hxgrid"
_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"
_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
_PLAIN = re.compile(r"[^\s\"'=\\\x00-\x1f\x7f]+")

# A library is silent until its application says otherwise.
logging.getLogger(_ROOT).addHandler(logging.NullHandler())


class RoomLogger:
    """Writes lines of `key=value` pairs for one room; cheap when the level is off."""

    __slots__ = ("_bound", "_logger")

    def __init__(self, logger: logging.Logger, bound: Mapping[str, object] | None = None) -> None:
        self._logger = logger
        self._bound = dict(bound or {})

    def bind(self, **pairs: object) -> RoomLogger:
        """Return a logger whose every line carries `pairs` too."""
        return RoomLogger(self._logger, {**self._bound, **pairs})

    def is_enabled(self, level: int) -> bool:
        """Tell whether a line of this level would be written; ask before costly pairs."""
        return self._logger.isEnabledFor(level)

    def debug(self, event: str, **pairs: object) -> None:
        """Write for whoever looks for a fault."""
        self._write(logging.DEBUG, event, pairs)

    def info(self, event: str, **pairs: object) -> None:
        """Write for the owner of the computer."""
        self._write(logging.INFO, event, pairs)

    def warning(self, event: str, **pairs: object) -> None:
        """Write what somebody should do something about."""
        self._write(logging.WARNING, event, pairs)

    def error(self, event: str, **pairs: object) -> None:
        """Write what went wrong."""
        self._write(logging.ERROR, event, pairs)

    def exception(self, event: str, **pairs: object) -> None:
        """Write what went wrong, with the traceback of the exception being handled."""
        self._write(logging.ERROR, event, pairs, exc_info=True)

    def _write(
        self, level: int, event: str, pairs: dict[str, object], *, exc_info: bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            line = format_event(event, {**self._bound, **pairs})
            # Three frames up is the caller of debug(), info() ...; %-signs in the line are data.
            self._logger.log(level, "%s", line, exc_info=exc_info, stacklevel=3)


def get_logger(room: str) -> RoomLogger:
    """Return the logger of a room, such as "transport" or "agent.core"."""
    return RoomLogger(logging.getLogger(f"{_ROOT}.{room}"))


def format_event(event: str, pairs: Mapping[str, object]) -> str:
    """Return `event` followed by the pairs; values that are not plain words are quoted."""
    return " ".join([event, *(f"{key}={_format_value(value)}" for key, value in pairs.items())])


def configure_logging(
    level: str = "info",
    *,
    file: Path | None = None,
    file_max_bytes: int = 5_000_000,
    file_count: int = 3,
) -> None:
    """Send the lines from `level` on to standard error, and to `file` if one is given.

    For programs, never for the library. The file is one of at most `file_count` of `file_max_bytes`
    each; the oldest is dropped. Calling it again replaces what the call before set up.

    A file that cannot be opened raises `ConfigError`.
    """
    root = logging.getLogger(_ROOT)
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.addHandler(_formatted(_ErrorOutput(sys.stderr)))
    if file is not None:
        root.addHandler(_formatted(_rotating(file, file_max_bytes, file_count)))
    root.setLevel(level.upper())
    root.propagate = False


class _ErrorOutput(logging.StreamHandler[TextIO]):
    """Writes lines to standard error, for as long as somebody is there to read them."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Say nothing of an output that is closed: there is nowhere to say it."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)


class _LogFile(logging.handlers.RotatingFileHandler):
    """Writes lines to a file, for as long as the disk takes them."""

    _has_told = False

    def close(self) -> None:
        """Close the file; what its disk does not take is lost."""
        with contextlib.suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Say once that the file cannot be written, and not with each line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_told:
            self._has_told = True
            with contextlib.suppress(OSError, ValueError, AttributeError):  # nowhere to say it
                why = error.strerror or str(error)
                sys.stderr.write(f"hxgrid: {self.baseFilename} cannot be written: {why}\n")


def _rotating(file: Path, max_bytes: int, count: int) -> logging.Handler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return _LogFile(file, maxBytes=max_bytes, backupCount=max(count - 1, 1), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            "the log file cannot be opened",
            where=str(file),
            why=error.strerror or str(error),
            advice="Set log_file to another one.",
        ) from None


def _formatted(handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(logging.Formatter(_FORMAT, _DATE_FORMAT))
    return handler


def _format_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    # One event is one line, whatever a peer puts into a name.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)
    return f'"{printable}"'
