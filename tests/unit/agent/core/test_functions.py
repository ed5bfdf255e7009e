from __future__ import annotations

from hxgrid.wire.messages import (
    BlobAnswer,
    DataAnswer,
    DataRequest,
    ForgetData,
    Outcome,
    Reason,
)
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from tests.unit.agent.core.rig import DIGEST, Rig, User, file


def requested(rig: Rig) -> act.RequestBlob:
    return rig.all(act.RequestBlob)[-1]


def deliver(rig: Rig, user: User, request: act.RequestBlob, pieces: int = 2) -> None:
    """Send a requested blob as its user would, and store it as the driver would."""
    user.say(BlobAnswer(request=request.request, found=True, bytes=request.size))
    step = request.size // pieces
    for offset in range(request.offset, request.size, step):
        payload = b"z" * min(step, request.size - offset)
        rig.handle(ev.BlobChunkReceived(user.peer, request.request, offset, payload))
    rig.handle(ev.BlobStored(request.digest, f"/store/{request.digest}"))


def test_attempts_wait_until_the_files_of_their_function_are_here() -> None:
    rig = Rig()
    user = rig.user()
    user.offer(kind="module", entry="run", files=(file(),))
    user.send(1)
    assert [order.digest for order in rig.all(act.FindBlob)] == [DIGEST]
    rig.handle(ev.BlobFound(DIGEST, None))
    assert user.running == []
    deliver(rig, user, requested(rig))
    assert rig.all(act.LayOutFunction)
    assert user.running == [1]
    assert rig.all(act.WriteBlob)[-1].offset == 5


def test_a_blob_in_the_store_is_not_asked_for() -> None:
    rig = Rig()
    user = rig.user()
    user.offer(kind="module", entry="run", files=(file(),))
    user.send(1)
    rig.handle(ev.BlobFound(DIGEST, "/store/x"))
    assert not rig.all(act.RequestBlob)
    assert user.running == [1]


def test_a_blob_that_is_looked_for_twice_is_pinned_once() -> None:
    rig = Rig()
    first = rig.user("a")
    first.offer(kind="module", entry="run", files=(file(),))
    first.goodbye()
    rig.user("b").offer(kind="module", entry="run", files=(file(),))
    for _ in range(2):  # the disk was slow: both looks are answered now
        rig.handle(ev.BlobFound(DIGEST, "/store/x"))
    assert len(rig.all(act.UnpinBlob)) == 1


def test_a_late_answer_of_the_store_does_not_disturb_a_fetch() -> None:
    rig = Rig()
    first = rig.user("a")
    first.offer(kind="module", entry="run", files=(file(),))
    first.goodbye()
    second = rig.user("b")
    second.offer(kind="module", entry="run", files=(file(),))
    rig.handle(ev.BlobFound(DIGEST, None))
    rig.handle(ev.BlobFound(DIGEST, None))
    assert len(rig.all(act.RequestBlob)) == 1
    deliver(rig, second, requested(rig))
    second.send(1)
    assert second.running == [1]


def test_one_blob_for_two_sessions_is_fetched_once() -> None:
    rig = Rig()
    users = [rig.user("a"), rig.user("b")]
    for user in users:
        user.offer(kind="module", entry="run", files=(file(),))
    rig.handle(ev.BlobFound(DIGEST, None))
    assert len(rig.all(act.RequestBlob)) == 1
    deliver(rig, users[0], requested(rig))
    for user in users:
        user.send(1)
        assert user.running == [1]


def test_if_the_asked_session_ends_another_one_that_wants_the_blob_is_asked() -> None:
    rig = Rig()
    first, second = rig.user("a"), rig.user("b")
    for user in (first, second):
        user.offer(kind="module", entry="run", files=(file(),))
    rig.handle(ev.BlobFound(DIGEST, None))
    asked = requested(rig)
    leaving, staying = (first, second) if asked.session.id == first.id else (second, first)
    leaving.goodbye()
    rig.wait(1.0)
    assert requested(rig).session.id == staying.id
    deliver(rig, staying, requested(rig))
    staying.send(1)
    assert staying.running == [1]


def test_a_resumed_session_is_asked_again_from_where_it_was() -> None:
    rig = Rig()
    user = rig.user()
    user.offer(kind="module", entry="run", files=(file(),))
    rig.handle(ev.BlobFound(DIGEST, None))
    request = requested(rig)
    rig.handle(ev.BlobChunkReceived(user.peer, request.request, 0, b"1234"))
    user.hello(peer=b"new")
    again = requested(rig)
    assert again.request != request.request
    assert again.offset == 4


def test_b11_files_that_cannot_be_had_make_the_function_unusable() -> None:
    rig = Rig()
    user = rig.user()
    user.offer(kind="module", entry="run", files=(file(),))
    user.send(1)
    rig.handle(ev.BlobFound(DIGEST, None))
    user.say(BlobAnswer(request=requested(rig).request, found=False, text="gone"))
    assert rig.results() == [(1, Outcome.UNUSABLE)]
    user.send(2)
    assert rig.results()[-1] == (2, Outcome.UNUSABLE)


def test_a_full_disk_refuses() -> None:
    rig = Rig()
    user = rig.user()
    user.offer(kind="module", entry="run", files=(file(),))
    user.send(1)
    rig.handle(ev.BlobFound(DIGEST, None))
    rig.handle(ev.BlobBroken(DIGEST, "the disk is full", is_damaged=False))
    assert rig.results() == [(1, Outcome.REFUSED)]


def test_a_damaged_blob_is_asked_for_again() -> None:
    rig = Rig()
    user = rig.user()
    user.offer(kind="module", entry="run", files=(file(),))
    rig.handle(ev.BlobFound(DIGEST, None))
    request = requested(rig)
    rig.handle(ev.BlobChunkReceived(user.peer, request.request, 0, b"z" * 10))
    rig.handle(ev.BlobBroken(DIGEST, "wrong digest", is_damaged=True))
    rig.wait(1.0)
    assert requested(rig).offset == 0
    assert requested(rig).request != request.request


def test_a_malformed_module_set_is_unusable() -> None:
    rig = Rig(is_helpful=False)
    user = rig.user()
    user.offer(kind="module", entry="run", files=(file("../evil.py"),))
    user.send(1)
    rig.handle(ev.BlobFound(DIGEST, "/store/x"))
    rig.handle(ev.FunctionLaidOut(user.handle, 1, "", (), "file name '../evil.py' is refused"))
    assert rig.results() == [(1, Outcome.UNUSABLE)]


def test_another_python_is_refused_naming_both() -> None:
    rig = Rig()
    user = rig.user()
    user.offer(kind="pickle", python_implementation="CPython", python_version="3.12", label="f")
    user.send(1)
    assert rig.results() == [(1, Outcome.REFUSED)]
    problem = rig.core.table.by_id[user.id].functions[1].problem
    assert "3.12" in problem
    assert "3.11" in problem


def test_the_blob_is_unpinned_when_its_last_session_ends() -> None:
    rig = Rig()
    users = [rig.user("a"), rig.user("b")]
    for user in users:
        user.offer(kind="module", entry="run", files=(file(),))
    rig.handle(ev.BlobFound(DIGEST, "/store/x"))
    users[0].goodbye()
    assert not rig.all(act.UnpinBlob)
    users[1].goodbye()
    assert len(rig.all(act.UnpinBlob)) == 1


# ---------------------------------------------------------------------- global data


def with_tasks(count: int) -> tuple[Rig, User, list[int]]:
    rig = Rig(slots=count, spare_processes=count)
    user = rig.user()
    user.offer()
    user.send(*range(1, count + 1))
    rig.clear()
    return rig, user, [rig.process_of(task).number for task in range(1, count + 1)]


def test_one_question_answers_all_slots() -> None:
    rig, user, processes = with_tasks(3)
    for process in processes:
        rig.handle(ev.DataWanted(process, 1, "geometry"))
    [question] = rig.said(DataRequest)
    answer = DataAnswer(request=question.request, found=True, digest=DIGEST, bytes=10)
    user.say(answer)
    rig.handle(ev.BlobFound(DIGEST, None))
    deliver(rig, user, requested(rig))
    answers = rig.all(act.AnswerData)
    assert [a.process.number for a in answers] == processes
    assert {a.path for a in answers} == {f"/store/{DIGEST}"}
    rig.clear()
    rig.handle(ev.DataWanted(processes[0], 2, "geometry"))
    assert rig.all(act.AnswerData)[0].path == f"/store/{DIGEST}"
    assert rig.said(DataRequest) == []


def test_missing_data_is_told_and_asked_for_again_next_time() -> None:
    rig, user, [process] = with_tasks(1)
    rig.handle(ev.DataWanted(process, 1, "x"))
    user.say(DataAnswer(request=rig.said(DataRequest)[0].request, found=False, text="no such"))
    [answer] = rig.all(act.AnswerData)
    assert (answer.path, answer.text) == (None, "no such")
    rig.handle(ev.DataWanted(process, 2, "x"))
    assert len(rig.said(DataRequest)) == 2


def get(rig: Rig, user: User, process: int, *, volatile: bool) -> None:
    rig.handle(ev.DataWanted(process, 1, "x"))
    request = rig.said(DataRequest)[-1].request
    user.say(DataAnswer(request=request, found=True, digest=DIGEST, bytes=10, volatile=volatile))
    rig.handle(ev.BlobFound(DIGEST, "/store/x"))
    rig.clear()


def test_freed_data_is_found_again_without_a_question() -> None:
    rig, user, [process] = with_tasks(1)
    get(rig, user, process, volatile=False)
    rig.handle(ev.DataFreed(process, "x"))
    assert rig.all(act.UnpinBlob)
    rig.handle(ev.DataWanted(process, 2, "x"))
    assert rig.said(DataRequest) == []
    assert rig.all(act.FindBlob)


def test_freed_volatile_data_is_asked_for_again() -> None:
    rig, user, [process] = with_tasks(1)
    get(rig, user, process, volatile=True)
    rig.handle(ev.DataFreed(process, None))
    rig.handle(ev.DataWanted(process, 2, "x"))
    assert len(rig.said(DataRequest)) == 1


def test_forgotten_data_is_asked_for_again() -> None:
    rig, user, [process] = with_tasks(1)
    get(rig, user, process, volatile=False)
    user.say(ForgetData(names=("x",)))
    rig.handle(ev.DataWanted(process, 2, "x"))
    assert len(rig.said(DataRequest)) == 1


OTHER = "cd" * 32


def answer_data(rig: Rig, user: User, digest: str = DIGEST) -> None:
    """Say which blob the name is that was asked for last."""
    request = rig.said(DataRequest)[-1].request
    user.say(DataAnswer(request=request, found=True, digest=digest, bytes=10))


def test_processes_that_have_forgotten_data_are_told() -> None:
    rig, user, processes = with_tasks(3)
    get(rig, user, processes[0], volatile=False)
    rig.handle(ev.DataWanted(processes[1], 1, "x"))
    rig.clear()
    user.say(ForgetData(names=("other", "x")))
    told = {order.process.number: order.names for order in rig.all(act.ForgetInProcess)}
    assert told == dict.fromkeys(processes[:2], ("other", "x"))
    rig.clear()
    user.say(ForgetData())
    assert not rig.all(act.ForgetInProcess), "nobody has anything any more"


def test_freed_data_is_freed_in_the_other_processes_too() -> None:
    rig, user, processes = with_tasks(3)
    for volatile in (False, True):
        get(rig, user, processes[0], volatile=volatile)
        rig.handle(ev.DataWanted(processes[1], 1, "x"))
        rig.clear()
        rig.handle(ev.DataFreed(processes[0], "x" if volatile else None))
        assert [order.process.number for order in rig.all(act.ForgetInProcess)] == [processes[1]]
        user.say(ForgetData())
        rig.clear()


def test_what_is_forgotten_while_it_is_asked_for_is_for_those_who_wait_only() -> None:
    rig, user, processes = with_tasks(2)
    rig.handle(ev.DataWanted(processes[0], 1, "x"))
    user.say(ForgetData(names=("x",)))
    assert [order.process.number for order in rig.all(act.ForgetInProcess)] == [processes[0]]
    answer_data(rig, user)
    rig.handle(ev.BlobFound(DIGEST, "/store/old"))
    assert [each.path for each in rig.all(act.AnswerData)] == ["/store/old"]
    rig.handle(ev.DataWanted(processes[1], 1, "x"))
    answer_data(rig, user, OTHER)
    rig.handle(ev.BlobFound(OTHER, "/store/new"))
    assert [each.path for each in rig.all(act.AnswerData)] == ["/store/old", "/store/new"]
    assert not rig.all(act.UnpinBlob), "the old one may just be being opened"
    user.say(ForgetData(names=("another",)))
    assert [order.digest for order in rig.all(act.UnpinBlob)] == [DIGEST]


def test_what_is_forgotten_while_it_is_fetched_is_asked_for_anew_if_it_does_not_come() -> None:
    rig, user, [process] = with_tasks(1)
    rig.handle(ev.DataWanted(process, 1, "x"))
    answer_data(rig, user)
    rig.handle(ev.BlobFound(DIGEST, None))
    user.say(ForgetData(names=("x",)))
    request = rig.all(act.RequestBlob)[-1].request
    user.say(BlobAnswer(request=request, found=False, text="not any more"))
    assert not rig.all(act.AnswerData)
    assert len(rig.said(DataRequest)) == 2
    answer_data(rig, user, OTHER)
    rig.handle(ev.BlobFound(OTHER, "/store/new"))
    assert [each.path for each in rig.all(act.AnswerData)] == ["/store/new"]
    rig.handle(ev.DataWanted(process, 2, "x"))
    assert len(rig.said(DataRequest)) == 2


def test_data_forgotten_on_the_way_leaves_nothing_when_its_session_ends() -> None:
    rig, user, [process] = with_tasks(1)
    rig.handle(ev.DataWanted(process, 1, "x"))
    user.say(ForgetData())
    session = rig.core.table.by_id[user.id]
    assert session.forgotten_data
    user.goodbye()
    rig.handle(ev.ProcessDied(process, Reason(text="ended")))
    assert not session.forgotten_data


def test_a_question_is_repeated_after_a_resumed_hello() -> None:
    rig, user, [process] = with_tasks(1)
    rig.handle(ev.DataWanted(process, 1, "x"))
    user.hello(peer=b"new")
    assert len(rig.said(DataRequest)) == 1
