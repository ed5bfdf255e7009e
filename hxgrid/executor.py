"""Executor: the standard library's interface over a session.

    with hxgrid.Executor() as executor:
        squares = list(executor.map(square, range(1000)))

Everything that `concurrent.futures.Executor` promises holds. Beyond it: a function may run twice
(on another agent, if one is slow or lost) unless `idempotent=False`, and cancelling a future stops
a call that runs already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor as StandardExecutor
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from typing import Any, Protocol, TypeVar

from hxgrid.errors import HxGridError, SessionClosed
from hxgrid.modules.calls import Call, pack_calls
from hxgrid.user.batches import FutureBatch
from hxgrid.user.futures import CallFuture
from hxgrid.user.mapping import GridMap, Submitter

_T = TypeVar("_T")


class CallSession(Submitter, Protocol):
    """What the Executor needs of a session: of a grid's, or of an inline one."""

    def close(self, cancel: bool = False) -> None:
        """End it."""


class Executor(StandardExecutor):
    """Runs calls on the grid. `submit` never blocks: what does not fit into memory is spilled.

    Give it a `session`, which stays open afterwards, or the arguments of `hxgrid.connect`.
    `journal_key` lets a journal keep functions that travel by reference; see `Session.map`.
    Raises `NoGridFound` if there is no grid. Usable from any thread.
    """

    def __init__(
        self,
        session: CallSession | None = None,
        *,
        idempotent: bool = True,
        journal_key: str | None = None,
        **connect_arguments: Any,
    ) -> None:
        if isinstance(session, str):
            raise TypeError(f"the first argument is a session; for a grid give address={session!r}")
        if session is not None and connect_arguments:
            raise TypeError("give a session or arguments of connect, not both")
        self._owns_session = session is None
        self._session: CallSession = (
            session if session is not None else _connected(connect_arguments)
        )
        self._idempotent = idempotent
        self._journal_key = journal_key
        self._lock = threading.Lock()
        self._is_shut_down = False
        self._futures: set[CallFuture] = set()
        """Not ended yet; for `shutdown`."""

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Run `fn(*args, **kwargs)` on the grid and give its future.

        What cannot be pickled is told by the future, as the standard executors do.
        """
        future = CallFuture(self._cancel)
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._futures.add(future)
        try:
            self._submit(future, fn, (args, kwargs))
        except SessionClosed:
            self._forget([future])
            raise
        except _Unpicklable as error:
            future.end_badly(error.cause)
            self._forget([future])
        except HxGridError as error:
            future.end_badly(error)
            self._forget([future])
        return future

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[_T]:
        """Give `fn(*items)` for the items of the iterables, in order.

        Without `buffersize` all calls are submitted at once; with it, at most so many are under
        way. `chunksize` calls travel as one task. Raises `TimeoutError` if a result is not there
        `timeout` seconds after this call.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or >= 1")
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
        mapping = GridMap(
            self._session,
            fn,
            ((args, {}) for args in zip(*iterables, strict=False)),
            chunksize=chunksize,
            buffersize=buffersize,
            idempotent=self._idempotent,
            timeout=timeout,
            journal_key=self._journal_key,
        )
        if buffersize is None:
            mapping.submit_all()
        return iter(mapping)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those under way, or cancel them. Twice is harmless."""
        with self._lock:
            self._is_shut_down = True
            futures = list(self._futures)
        if cancel_futures:
            for future in futures:
                future.cancel()
        if wait:
            wait_for_futures(futures)
            if self._owns_session:
                self._session.close()
        elif self._owns_session:
            # Not a daemon: the interpreter waits at its end for what was submitted, as it does for
            # the standard executors.
            threading.Thread(target=self._session.close, name="hxgrid-shutdown").start()

    def _submit(self, future: CallFuture, fn: Callable[..., Any], call: Call) -> None:
        session, keys = self._session, None
        if session.call_journal is not None:
            recalled = session.call_journal.recall(fn, [call], self._journal_key)
            outcome, keys = recalled.outcomes[0], recalled.keys
            if outcome is not None:
                future.end(outcome)
                self._forget([future])
                return
        packed = _pack(fn, *call)
        front = FutureBatch([future], session.error_of, self._forget)
        future.task = session.submit_calls(
            fn, packed, front, idempotent=self._idempotent, keys=keys
        )

    def _cancel(self, future: CallFuture) -> None:
        task = future.task
        if task is not None:
            self._session.cancel([task.id])

    def _forget(self, futures: Iterable[CallFuture]) -> None:
        with self._lock:
            self._futures.difference_update(futures)


class _Unpicklable(Exception):
    """Carries what an argument's own code raised when it was pickled."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def _connected(arguments: dict[str, Any]) -> CallSession:
    from hxgrid.connecting import connect  # only here: an inline session does without sockets

    session: CallSession = connect(**arguments)
    return session


def _pack(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[bytes, frozenset[str]]:
    try:
        return pack_calls([(args, kwargs)])
    except Exception as error:
        name = getattr(fn, "__qualname__", repr(fn))
        error.add_note(f"An argument of {name} cannot be pickled and sent to the agents.")
        raise _Unpicklable(error) from error
