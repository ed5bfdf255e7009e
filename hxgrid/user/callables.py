"""Finding out, cheaply, how a `finalize` wants to be called."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

_FUNCTION = types.FunctionType


def takes_task(finalize: Callable[..., object]) -> bool:
    """Tell whether `finalize` is to be called as `finalize(task, out)` instead of `finalize(out)`.

    Parameters with a default do not count: `lambda out, i=i: ...` wants `out` alone. Raises
    TypeError if it can be called in neither way.
    """
    # Reading the code object is a hundred times faster than inspect, and this is once per task.
    function: Any = getattr(finalize, "__func__", finalize)
    if type(function) is _FUNCTION:
        code = function.__code__
        required = code.co_argcount - len(function.__defaults__ or ())
        required -= function is not finalize
        if code.co_kwonlyargcount == 0 and 0 < required <= 2:
            return required == 2
    return _by_signature(finalize)


def _by_signature(finalize: Callable[..., object]) -> bool:
    if not callable(finalize):
        raise TypeError(f"finalize must be callable, not {finalize!r}")
    try:
        parameters = inspect.signature(finalize).parameters.values()
    except ValueError:
        return False  # built in, and says nothing: the common form
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in positional)
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    needs_names = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    if needs_names or required > 2 or not (positional or takes_any):
        raise TypeError(f"finalize must take (out) or (task, out), but {finalize!r} does not")
    return required == 2
