"""What the agent's core must know of the settings; filled from `hxgrid.settings` by the driver."""

from __future__ import annotations

from dataclasses import dataclass

from hxgrid.wire.limits import MAX_BATCH_RECORDS
from hxgrid.wire.messages import Capabilities

PROGRESS_LAG_S = 1.2
"""Reports are looked for once a second; so much later one is known at the latest."""


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Numbers that the agent's decisions depend on; units are in the names."""

    boot_id: str
    name: str
    """Of the agent, for people."""
    capabilities: Capabilities
    slots: int
    spare_processes: int
    max_parked_processes: int
    share_quantum_s: float
    max_sessions: int
    max_waiting_attempts: int
    """Of all sessions together."""
    max_results_waiting_bytes: int
    """Of all sessions together: results that no user has acknowledged yet."""
    result_memory_bytes: int
    """Of those, the ones that are not in files."""
    memory_reserve_bytes: int
    heartbeat_s: float
    suspect_after_s: float
    lost_after_s: float
    status_s: float
    busy_after_s: float
    suspend_s: float
    """0: never freeze."""
    session_lease_s: float = 3600.0
    cancel_grace_s: float = 3600.0
    """Of a session: the most that its user may ask for."""
    native_problem: str = ""
    """Why no native function can run here; empty: they can."""
    neighbours_served: int = 0
    """Agents that may fetch blobs here at once."""


HAND_OVER_S = 0.002
"""Work that a process is given at once when its function is short: enough to hide the way between
agent and process, too little for anybody to wait behind it."""

HAND_OVER_COUNT = 256
"""Attempts given to a process at once for each of its slots, however short they are."""

MOST_HANDED_OVER = 2048
"""Attempts that a process has at once, however many slots it has: the page that it shares with the
agent has flags for twice as many."""

TAKE_BACK_AFTER_S = 0.05
"""A process that got several attempts and is silent for so long gives the unstarted ones back:
the one it runs is longer than its function led to expect."""

START_LIMIT_S = 60.0
"""A process that is not ready after this has failed to start; slow disks take their time."""

FIRST_START_PAUSE_S = 0.1
LONGEST_START_PAUSE_S = 10.0
"""Before the next start after one that failed; doubles each time."""

REPLENISH_AFTER_S = 0.5
"""Spare processes are replaced this long after the last one was taken, so that starting
interpreters does not compete with the task that has just begun."""

END_GRACE_S = 1.0
"""What an idle process of an ended session gets for its `end_session`; the session's files must
be gone two seconds after the end."""

FETCH_STALL_S = 10.0
"""A user that sends nothing of a blob for so long is asked again."""

MAX_SESSION_ATTEMPTS = MAX_BATCH_RECORDS
"""Attempts of one session here, unacknowledged results among them: HOLDINGS is one message."""

MAX_FUNCTIONS = 10_000
"""Functions that one session may offer."""

MAX_DATA_NAMES = 100_000
"""Names of global data that one session may hold."""

BUSY_FRACTION = 0.1
"""The computer is busy when less than this part of its processors is left by others."""
