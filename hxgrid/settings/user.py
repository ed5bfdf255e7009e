"""The section [user]: default, range and reason of each setting."""

from __future__ import annotations

import psutil
from pydantic import Field

from hxgrid.settings import fields as f
from hxgrid.settings.shared import SeekerSettings


def _user_max_memory_bytes() -> int:
    return max(psutil.virtual_memory().total // 8, 100 * f.MIB)


class UserSettings(SeekerSettings):
    """The section [user]."""

    poll_s: f.Seconds = Field(3.0, description="How often the coordinator is asked for changes.")
    discover_s: f.Seconds = Field(
        1.0, description="How long answers to a broadcast are collected before one grid is chosen."
    )
    spare_agents: int = Field(
        16,
        ge=1,
        le=100_000,
        description="Agents that a session is connected to beyond those its tasks need, so that "
        "the next tasks find them ready. A grid that is not larger is connected to as a whole.",
    )
    idle_connection_s: f.Seconds = Field(
        30.0,
        description="A connection beyond the needed and spare ones is closed after so long without "
        "a task.",
    )
    send_ahead: f.SendAhead = Field(
        "auto",
        description="Attempts sent to an agent beyond those that run there. auto: 1 for long "
        "tasks, more as tasks get short compared with the way there and back.",
    )
    max_queued_tasks: f.Count = Field(
        2000,
        description="Tasks accepted and not yet complete; then `run_task` blocks. Enough for tasks "
        "of microseconds to travel in large batches. 1 helps debugging.",
    )
    user_max_memory_bytes: f.Bytes = Field(
        default_factory=_user_max_memory_bytes,
        description="Inputs held in memory; more are spilled to disk, or `run_task` blocks.",
        json_schema_extra={"default_text": "an eighth of the memory, at least 100 MiB"},
    )
    agent_min_free_memory_bytes: f.Bytes = Field(
        50 * f.MIB, description="An agent with less free memory is sent nothing."
    )
    agent_min_free_memory_factor: float = Field(
        1.5,
        ge=0,
        le=1000,
        description="A task needs this many times its uncompressed input in free memory.",
    )
    agent_min_free_cpu: float = Field(
        0.0,
        ge=0,
        le=4096,
        description="An agent with fewer processors free of other programs' work is sent nothing; "
        "0: agents stand back for their owners by themselves.",
    )
    send_duplicate_tasks: bool = Field(
        True,
        description="Let free agents repeat tasks that run late or on suspended agents; the first "
        "good result counts. Off where no task may run twice.",
    )
    duplicate_budget: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of the session's slot time that copies of stragglers may cost.",
    )
    compress_threshold_bytes: f.Bytes = Field(
        65_535,
        description="Larger inputs and results are compressed, if their first 64 KiB show that it "
        "pays.",
    )
    allow_spill: bool = Field(
        True, description="Write queued inputs to disk when they pass `user_max_memory_bytes`."
    )
    spill_folder: f.Folder = Field(
        None, description="Folder for spilled inputs and results; none: the temporary folder."
    )
    cooling_s: f.SecondsOrZero = Field(
        10.0,
        description="An agent that failed a task is left alone for this long, longer each time.",
    )
    max_attempts: int = Field(
        3, ge=1, le=1000, description="A task that has failed this often has failed for good."
    )
    retry_delay_s: f.SecondsOrZero = Field(
        1.0, description="Pause before a task goes to an agent that has failed it before."
    )
    no_progress_limit_s: f.OptionalSeconds = Field(
        None,
        description="An attempt of a Python module's function that reports nothing new for so long "
        "is ended and counts as failed. None: no limit. `run_task` may say otherwise.",
    )
    finalize_threads: int = Field(
        1,
        ge=1,
        le=256,
        description="Threads that run `finalize`. One: callbacks never overlap.",
    )
    result_memory_bytes: f.Bytes = Field(
        256 * f.MIB,
        description="Results that wait in memory for their callback; more are spilled to disk.",
    )
    verify: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the tasks that run on two agents, to compare their results.",
    )
    journal: f.File = Field(
        None,
        description="File in which results are kept as they come: a program that starts again "
        "uses them instead of running the same tasks again. None: no journal.",
    )
    weight: float = Field(
        1.0,
        ge=0.01,
        le=100,
        description="This user's share of a busy agent, compared with other users.",
    )
