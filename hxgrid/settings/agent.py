"""The section [agent]: default, range and reason of each setting."""

from __future__ import annotations

from pydantic import Field

from hxgrid.settings import fields as f
from hxgrid.settings.shared import SeekerSettings


class AgentSettings(SeekerSettings):
    """The section [agent]."""

    bind: f.BindAddress = Field(
        "",
        description="Address of the network card to listen on. Empty: all of them with keys or "
        "`trust_network`, otherwise loopback.",
    )
    port: f.OptionalPort = Field(
        None,
        description="TCP port to listen on; a taken one is an error. None: 4102 if it is free, "
        "else any, so that several agents fit on one computer. 0: any free one.",
    )
    agent_name: f.OptionalText = Field(
        None, description="Name in lists and logs; none: the name of the computer."
    )
    slots: f.OptionalSlots = Field(
        None,
        description="Tasks that run at once; none: processors less `free_cpu_count`, at least 1.",
    )
    free_cpu_count: int = Field(0, ge=0, le=4096, description="Processors left to the owner.")
    explicit_cpu: bool = Field(
        True,
        description="Pin each slot to a processor, from the highest number down, so that those "
        "left to the owner stay free.",
    )
    labels: f.Labels = Field(
        (),
        description="Words of your choice for what this computer has (gpu, maya): tasks submitted "
        'with `requires={"labels": ["gpu"]}` go only where all of theirs are.',
    )
    busy_after_s: f.SecondsOrZero = Field(
        10.0,
        description="The computer is busy when others left no free processor time for this long "
        "without a break; then tasks are frozen.",
    )
    suspend_s: f.SecondsOrZero = Field(
        25.0,
        description="Frozen tasks go on after this, or later while it is busy; 0: never freeze.",
    )
    registry_lease_s: f.Seconds = Field(
        10.0,
        description="After this long without an answer the coordinator counts as lost.",
    )
    status_s: f.Seconds = Field(
        1.0, description="How often free processors, memory, slots and tasks are reported."
    )
    share_quantum_s: f.SecondsOrZero = Field(
        1.0,
        description="A session keeps a slot for at least this long, or one task, before it passes "
        "to another session: shorter is fairer, longer starts fewer processes.",
    )
    spare_processes: f.OptionalSpare = Field(
        None,
        description="Task processes started ahead, so that a first task does not wait for an "
        "interpreter; none: as many as slots, at most 8.",
    )
    max_parked_processes: int = Field(
        8,
        ge=0,
        le=10_000,
        description="Task processes kept for sessions that have no slot at the moment; each holds "
        "what its session has loaded, and its memory.",
    )
    max_sessions: int = Field(
        256, ge=1, le=100_000, description="Sessions at once; further users are refused."
    )
    max_waiting_attempts: f.Count = Field(
        100_000,
        description="Attempts of all sessions that wait here for a slot; further ones are refused.",
    )
    memory_reserve_bytes: f.Bytes = Field(
        256 * f.MIB,
        description="Memory kept free for the owner: below it caches go first, then the task "
        "process that holds most.",
    )
    result_memory_bytes: f.Bytes = Field(
        256 * f.MIB,
        description="Results that wait in memory for the user's acknowledgement; more go to disk.",
    )
    max_results_waiting_bytes: f.Bytes = Field(
        16 * f.GIB,
        description="Results that wait in memory and on disk; while there are more, no new "
        "attempt starts.",
    )
    store_folder: f.Folder = Field(
        None,
        description="Folder of the blobs that outlive a session; none: the user's cache folder.",
    )
    store_quota_bytes: int = Field(
        10 * f.GIB,
        ge=f.MIB,
        le=2**53,
        description="Size of the blob store; blobs not used for longest go first. A single larger "
        "blob still fits into an otherwise empty store.",
    )
    neighbours_served: int = Field(
        4,
        ge=0,
        le=1000,
        description="Agents that may fetch modules and global data from this one at once, so that "
        "large data does not leave the user's computer once per agent; 0: none.",
    )
    upload_bytes_per_s: f.Bytes = Field(
        32 * f.MIB,
        description="What all of them together get per second, a quarter of a gigabit line, so "
        "that the owner does not notice it; 0: no limit. Nothing while the agent is suspended.",
    )
    work_folder: f.Folder = Field(
        None,
        description="Folder for what lives only as long as a session; none: the system's "
        "temporary folder.",
    )
