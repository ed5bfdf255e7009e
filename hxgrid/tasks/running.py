"""Running functions in a task process, and judging how an attempt ended.

A function becomes a *runner*: payload in, payload out. It is made at the function's first attempt,
so that whatever goes wrong with loading it is told as the end of that attempt. A runner returns the
output or raises; `judge` turns what was raised into an outcome and a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from hxgrid.errors import TaskCancelled
from hxgrid.streams import Stream
from hxgrid.tasks.loading import FunctionSpec, Loader, UnusableError, here
from hxgrid.tasks.reasons import name_of, reason, sentence, traceback_of
from hxgrid.wire.codes import Outcome

if TYPE_CHECKING:
    from types import ModuleType

    from hxgrid.tasks.agent import TaskAgent

# How an attempt ended, as the plain numbers that a task process writes into its frames.
DONE: Final = Outcome.DONE.value
FAILED: Final = Outcome.FAILED.value
CANCELLED: Final = Outcome.CANCELLED.value
NOT_STARTED: Final = Outcome.NOT_STARTED.value
UNUSABLE: Final = Outcome.UNUSABLE.value

Buffer = bytes | bytearray | memoryview
Runner = Callable[[Buffer], Buffer]


class ReturnedFalseError(Exception):
    """The function's way to say that it failed; the text says so for people."""


class Functions:
    """All functions of one session in this process, by their ids."""

    def __init__(self, agent: TaskAgent, session_number: int) -> None:
        self._agent = agent
        self._session_number = session_number
        self._loader = Loader()
        self._specs: dict[int, FunctionSpec] = {}
        self._runners: dict[int, Runner] = {}
        # Modules whose `start_session` has been called, in that order.
        self._started: list[ModuleType] = []

    def offer(self, function: int, spec: FunctionSpec) -> None:
        """Say what an id stands for; it is loaded when it is first run."""
        self._specs[function] = spec
        self._runners.pop(function, None)

    def runner(self, function: int) -> Runner:
        """Return the runner of a function, loading it if need be; raise `UnusableError`."""
        runner = self._runners.get(function)
        if runner is None:
            spec = self._specs.get(function)
            if spec is None:
                raise UnusableError(f"function {function} was never described to this process")
            runner = self._runners[function] = self._make(spec)
        return runner

    def end_session(self) -> list[BaseException]:
        """Call `end_session` of every module that was used; return what they raised."""
        problems: list[BaseException] = []
        while self._started:
            hook = getattr(self._started.pop(), "end_session", None)
            if hook is not None:
                try:
                    hook(self._agent, self._session_number)
                except BaseException as error:  # noqa: BLE001 - the others have theirs to do
                    problems.append(error)
        return problems

    def _make(self, spec: FunctionSpec) -> Runner:
        function, module = self._loader.load(spec)
        if spec.takes_calls:
            return calls_runner(function, self._agent)
        if module is not None and module not in self._started:
            self._start(module, spec)
        return stream_runner(function, self._agent, self._session_number)

    def _start(self, module: ModuleType, spec: FunctionSpec) -> None:
        hook = getattr(module, "start_session", None)
        if hook is not None:
            try:
                hook(self._agent, self._session_number)
            except BaseException as error:
                raise UnusableError(
                    f"start_session of {spec.label or spec.entry!r} raised {sentence(error)}", error
                ) from error
        self._started.append(module)


def stream_runner(
    function: Callable[[TaskAgent, int, Stream, Stream], Any],
    agent: TaskAgent,
    session_number: int,
) -> Runner:
    """Return the runner of a `run_task` function."""

    def run(payload: Buffer) -> Buffer:
        out_stream = Stream()
        answer = function(agent, session_number, Stream(payload, readonly=True), out_stream)
        if answer is None or answer:
            if out_stream.is_compressed:
                return _expanded(out_stream)
            return out_stream.content()
        name = getattr(function, "__name__", "the function")
        raise ReturnedFalseError(f"{name} returned {answer!r}")

    return run


def calls_runner(function: Callable[..., Any], agent: TaskAgent) -> Runner:
    """Return the runner of a function that takes batches of calls, each with an outcome."""
    # Brings cloudpickle, which functions of the other kind do without.
    from hxgrid.modules.calls import pack_exception, pack_outcomes, pack_value, unpack_calls

    def run(payload: Buffer) -> bytes:
        try:
            batch = unpack_calls(payload)
        except BaseException as error:
            raise UnusableError(
                f"the arguments cannot be unpickled with {here()}: {sentence(error)}", error
            ) from error
        outcomes = []
        for args, kwargs in batch:
            if agent.is_cancelled:
                raise TaskCancelled("the batch was cancelled")
            try:
                outcome = pack_value(function(*args, **kwargs))
            except (SystemExit, KeyboardInterrupt) as error:
                # In its own type it would end the application that asks for the result.
                stopped = RuntimeError(_exit_text(error)).with_traceback(error.__traceback__)
                outcome = pack_exception(stopped)
            except BaseException as error:  # noqa: BLE001 - the exception is this call's result
                outcome = pack_exception(error)
            outcomes.append(outcome)
        return pack_outcomes(outcomes)

    return run


def judge(error: BaseException, is_cancelled: bool, output: bytes) -> tuple[int, bytes]:
    """Return outcome and payload of an attempt whose runner raised `error`."""
    if is_cancelled or isinstance(error, TaskCancelled):
        return CANCELLED, b""
    if isinstance(error, UnusableError):
        return UNUSABLE, reason(
            str(error), exception=error.cause_name, trace=error.trace, output=output
        )
    if isinstance(error, ReturnedFalseError):
        return FAILED, reason(str(error), output=output)
    is_exit = isinstance(error, SystemExit | KeyboardInterrupt)
    text = _exit_text(error) if is_exit else sentence(error)
    return FAILED, reason(text, exception=name_of(error), trace=traceback_of(error), output=output)


def _exit_text(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the task called sys.exit({'' if error.code is None else repr(error.code)})"
    return "the task was interrupted"


def _expanded(stream: Stream) -> memoryview:
    from hxgrid.streams.compression import expand_stream
    from hxgrid.wire.limits import MAX_PAYLOAD_BYTES

    expand_stream(stream, MAX_PAYLOAD_BYTES)
    return stream.getbuffer()
