from __future__ import annotations

import pytest

from tests.harness.wait import WaitTimeoutError, wait_until


def test_the_true_answer_is_returned() -> None:
    answers = iter([None, "", "here"])
    assert wait_until(lambda: next(answers), 10, "an answer") == "here"


def test_the_complaint_names_what_was_awaited_and_what_was_seen() -> None:
    with pytest.raises(WaitTimeoutError, match="a bus; last seen: \\[\\]"):
        wait_until(list, 0.02, "a bus")


def test_the_complaint_prefers_what_the_caller_shows() -> None:
    with pytest.raises(WaitTimeoutError, match="last seen: an empty street"):
        wait_until(lambda: False, 0.02, "a bus", seen=lambda: "an empty street")


def test_an_expected_exception_means_not_yet() -> None:
    answers = iter([OSError("no"), None, True])

    def ask() -> bool | None:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert wait_until(ask, 10, "an answer", retry_on=(OSError,))


def test_another_exception_leaves_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, 10, "nothing")
