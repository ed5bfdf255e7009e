"""The invariants of the agent's books, asserted after each step of a test."""

from __future__ import annotations

from hxgrid_agent.core.attempt import Phase
from hxgrid_agent.core.process import ProcessState, SlotProcess
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.table import Table


def check_books(table: Table) -> None:
    """Assert that what is counted is there, and that nothing is in two places."""
    waiting = result_bytes = 0
    used_slots: list[int] = []
    for handle, session in table.sessions.items():
        assert session.handle == handle
        assert table.by_id[session.id] is session
        waiting += _check_attempts(session)
        result_bytes += session.result_bytes
        used_slots += _check_processes(session)
        assert (handle in table.hungry) == (session.queued > 0), f"{session.id} hungry or not"
    assert waiting == table.waiting, f"{waiting} attempts wait, not {table.waiting}"
    assert result_bytes == table.result_bytes, "the count of result bytes is wrong"
    assert 0 <= table.filed_bytes <= table.result_bytes, "the count of bytes in files is wrong"
    slots = sorted([*table.free_slots, *used_slots])
    assert slots == list(range(table.settings.slots)), f"slots lost or doubled: {slots}"
    for peer, session in table.by_peer.items():
        assert session.peer == peer
        assert table.sessions.get(session.handle) is session
    if table.is_frozen:
        assert not table.hungry, "attempts wait at a frozen agent"


def _check_attempts(session: Session) -> int:
    by_phase: dict[Phase, int] = dict.fromkeys(Phase, 0)
    result_bytes = 0
    for key, attempt in session.attempts.items():
        assert attempt.key == key
        by_phase[attempt.phase] += 1
        assert (attempt.result is not None) == (attempt.phase is Phase.ENDED), f"{key} has ended?"
        if attempt.result is not None:
            result_bytes += attempt.result.stored_bytes
        if attempt.phase is Phase.HANDED:
            assert attempt.process is not None
            assert session.processes[attempt.process].handed[key] is attempt, (
                f"{key} is not where it was handed"
            )
    queued = sum(1 for attempt in session.queue if attempt.phase is Phase.QUEUED)
    assert queued == session.queued == by_phase[Phase.QUEUED], f"queue of {session.id}"
    assert result_bytes == session.result_bytes, f"result bytes of {session.id}"
    handed = sum(len(process.handed) for process in session.processes.values())
    assert handed == by_phase[Phase.HANDED], f"{handed} attempts are in processes"
    return by_phase[Phase.RECEIVING] + by_phase[Phase.LACKING] + queued


def _check_processes(session: Session) -> list[int]:
    for process in session.processes.values():
        assert process.handle == session.handle
        has_slot = process.number in session.held
        assert bool(process.slots) == has_slot, f"slots of process {process.number}"
        assert len(process.slots) <= 1 or process.is_host, f"slots of process {process.number}"
        _check_place(session, process)
        assert not (process.handed and not has_slot), "an attempt runs without a slot"
        is_parked = process in session.parked
        is_idle = process.state is ProcessState.READY and not has_slot
        assert is_parked == is_idle, f"process {process.number} parked or not"
    return [slot for process in session.held.values() for slot in process.slots]


def _check_place(session: Session, process: SlotProcess) -> None:
    assert process.is_host == (process.place.group > 0), f"place of process {process.number}"
    if process.place.is_alone:
        assert len(process.handed) <= 1, f"attempts in process {process.number} are not alone"
    for attempt in process.handed.values():
        assert attempt.place == process.place, f"{attempt.key} is in a process of another kind"
    for place, host in session.hosts.items():
        assert host.place == place
        assert host.state is ProcessState.READY
        assert not host.is_draining
