"""Everything that hxGrid raises, in one tree.

    HxGridError
    ├── ConfigError              a setting is wrong: file, line, key, range     (exit status 2)
    ├── NoGridFound              nobody answered in time                        (exit status 3)
    │   └── SeveralGridsFound    more than one answered and none was named
    ├── AuthenticationError      a key or a role was rejected; trying again does not help
    ├── ProtocolError            something on the wire is against the rules
    │   ├── LocalProtocolError   our mistake: we were about to send it
    │   └── RemoteProtocolError  the peer's: it sent it
    │       └── VersionMismatch  the peer speaks another major version; final
    ├── TransportError           a socket or an address does not work
    │   └── AddressInUse         the port that was set is taken
    ├── StoreError               the disk is full, read-only or gone
    ├── SessionClosed            used after close()
    └── TaskError
        ├── TaskFailed           the task ended badly on every attempt it had
        ├── TaskCancelled        no longer wanted
        ├── ModuleError          a module or function is missing or does not load
        └── DataUnavailable      get_data() got no answer for this name

A type exists where a caller would act differently. Every error can be pickled: what `__init__`
takes beside the text is set as an attribute, and attributes travel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "AddressInUse",
    "AttemptRecord",
    "AuthenticationError",
    "ConfigError",
    "DataUnavailable",
    "HxGridError",
    "LocalProtocolError",
    "ModuleError",
    "NoGridFound",
    "ProtocolError",
    "RemoteProtocolError",
    "SessionClosed",
    "SeveralGridsFound",
    "StoreError",
    "TaskCancelled",
    "TaskError",
    "TaskFailed",
    "TransportError",
    "VersionMismatch",
]


class HxGridError(Exception):
    """Base of everything that hxGrid raises.

    The text says what happened to which thing, where, why, and what to do about it; the four parts
    are kept, so that the command line can set them out on lines of their own.
    """

    exit_status: ClassVar[int] = 1
    """What a command ends with when this error ends it."""
    is_worth_retrying: ClassVar[bool] = False
    """Whether the same call may succeed later without anybody changing anything."""

    def __init__(self, what: str = "", *, where: str = "", why: str = "", advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.advice = advice

    @property
    def headline(self) -> str:
        """What, where and why, without the advice and the history."""
        place = f" ({self.where})" if self.where else ""
        reason = f": {self.why}" if self.why else ""
        return f"{self.what}{place}{reason}"

    def __str__(self) -> str:
        if not self.advice:
            return self.headline
        end = "" if self.headline.endswith((".", "!", "?", "\n")) else "."
        return f"{self.headline}{end} {self.advice}"


class ConfigError(HxGridError):
    """A setting is wrong: the text names file, line, key, range and the nearest right key."""

    exit_status = 2


class NoGridFound(HxGridError):
    """Nobody answered in time; `tried` lists what was asked."""

    exit_status = 3
    is_worth_retrying = True

    def __init__(
        self,
        what: str = "no grid found",
        *,
        where: str = "",
        why: str = "",
        advice: str = "",
        tried: Iterable[str] = (),
    ) -> None:
        super().__init__(what, where=where, why=why, advice=advice)
        self.tried = tuple(tried)

    @property
    def headline(self) -> str:
        """What, where and why, followed by what was tried."""
        tried = f" (tried: {'; '.join(self.tried)})" if self.tried else ""
        return super().headline + tried


class SeveralGridsFound(NoGridFound):
    """More than one grid answered and no name was set; `tried` lists them."""

    is_worth_retrying = False


class AuthenticationError(HxGridError):
    """A key or a role was rejected. Final: it does not get better by trying again."""


class ProtocolError(HxGridError):
    """Something on the wire is against the rules."""


class LocalProtocolError(ProtocolError):
    """Our own mistake: this was about to be sent."""


class RemoteProtocolError(ProtocolError):
    """The peer's mistake: it sent this. The peer is dropped, nothing else changes."""


class VersionMismatch(RemoteProtocolError):
    """The peer speaks another major version of the protocol; the text names both."""


class TransportError(HxGridError):
    """A socket or an address does not work."""

    is_worth_retrying = True


class AddressInUse(TransportError):
    """The port that was set is taken by another program."""

    exit_status = 2
    is_worth_retrying = False


class StoreError(HxGridError):
    """The disk is full, read-only or gone; the text names the folder."""


class SessionClosed(HxGridError):
    """The session, stream or executor was used after it had been closed."""


class AttemptRecord(NamedTuple):
    """One line of a task's history: where it was tried and how that ended."""

    agent: str
    """Name of the agent."""
    slot: int | None
    """Number of the slot on that agent; None while the attempt waited there."""
    started: float | None
    """Seconds on the application's monotonic clock; None if it never started."""
    ended: float | None
    """Likewise; None while it lives."""
    outcome: str
    """One word: running, done, refused, failed, lost, cancelled, recalled ..."""
    reason: str = ""
    """Why, in one sentence; empty where the outcome says it all."""


class TaskError(HxGridError):
    """Something about one task; `task_id` says which, if it had one by then."""

    def __init__(
        self,
        what: str = "",
        *,
        where: str = "",
        why: str = "",
        advice: str = "",
        task_id: int | None = None,
    ) -> None:
        super().__init__(what, where=where, why=why, advice=advice)
        self.task_id = task_id


class TaskFailed(TaskError):
    """The task ended badly on every attempt it had.

    `attempts` is the history of all attempts, `remote_traceback` the traceback of the last failure
    as text, `output` what the last attempt wrote to its standard output and error. `failures` is an
    `ExceptionGroup` of all uncollected failures where several are raised as one, otherwise of this
    one alone.
    """

    def __init__(
        self,
        what: str = "task failed",
        *,
        where: str = "",
        why: str = "",
        advice: str = "",
        task_id: int | None = None,
        attempts: Sequence[AttemptRecord] = (),
        remote_traceback: str = "",
        output: str = "",
    ) -> None:
        super().__init__(what, where=where, why=why, advice=advice, task_id=task_id)
        self.attempts = tuple(attempts)
        self.remote_traceback = remote_traceback
        self.output = output
        self._failures: tuple[TaskFailed, ...] = ()

    @classmethod
    def from_failures(cls, failures: Sequence[TaskFailed]) -> TaskFailed:
        """Return one error that stands for all of `failures` (at least one), in their order."""
        first = failures[0]
        count = len(failures)
        what = first.what if count == 1 else f"{count} tasks failed; the first: {first.what}"
        error = cls(
            what,
            where=first.where,
            why=first.why,
            advice=first.advice,
            task_id=first.task_id,
            attempts=first.attempts,
            remote_traceback=first.remote_traceback,
            output=first.output,
        )
        error._failures = tuple(failures)
        error.__cause__ = first.__cause__
        return error

    @property
    def failures(self) -> ExceptionGroup[TaskFailed]:
        """All failures that this error stands for."""
        failures = self._failures or (self,)
        noun = "task" if len(failures) == 1 else "tasks"
        return ExceptionGroup(f"{len(failures)} {noun} failed", list(failures))

    def __str__(self) -> str:
        parts = [super().__str__()]
        parts += [f"  attempt {n}: {_line(record)}" for n, record in enumerate(self.attempts, 1)]
        if self.remote_traceback:
            parts.append("--- traceback of the task ---\n" + self.remote_traceback.rstrip())
        if self.output:
            parts.append("--- output of the task ---\n" + self.output.rstrip())
        return "\n".join(parts)


class TaskCancelled(TaskError):
    """The task is no longer wanted: it, its session or the whole job was cancelled."""


class ModuleError(TaskError):
    """A module file or a function is missing, or does not load where the task was to run."""


class DataUnavailable(TaskError):
    """`get_data()` got no answer: no callback, None from it, or an exception in it."""


def _line(record: AttemptRecord) -> str:
    slot = "" if record.slot is None else f" slot {record.slot}"
    reason = f" ({record.reason})" if record.reason else ""
    return f"{record.outcome} on {record.agent}{slot}{reason}"
