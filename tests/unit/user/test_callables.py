"""How a finalize wants to be called."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from hxgrid.user.callables import takes_task


class _Owner:
    def one(self, out: object) -> None: ...

    def two(self, task: object, out: object) -> None: ...

    @staticmethod
    def static_two(task: object, out: object) -> None: ...

    def __call__(self, out: object) -> None: ...


def _three(task: object, out: object, more: object) -> None: ...


def _keyword_only(out: object, *, must: object) -> None: ...


@pytest.mark.parametrize(
    ("finalize", "expected"),
    [
        (lambda _out: None, False),
        (lambda _task, _out: None, True),
        (lambda _out, _i=1: None, False),
        (lambda _task, _out, _i=1: None, True),
        (lambda *_args: None, False),
        (_Owner().one, False),
        (_Owner().two, True),
        (_Owner.static_two, True),
        (_Owner(), False),
        ([].append, False),
        (print, False),
        (functools.partial(lambda _a, _out: None, 1), False),
        (functools.partial(lambda _a, _task, _out: None, 1), True),
    ],
)
def test_the_required_parameters_decide(finalize: Any, expected: bool) -> None:
    assert takes_task(finalize) is expected


@pytest.mark.parametrize("finalize", [_three, lambda: None, _keyword_only, "text", 5])
def test_what_cannot_be_called_so_is_refused_at_once(finalize: Any) -> None:
    with pytest.raises(TypeError, match="finalize must"):
        takes_task(finalize)
