"""From the settings of the section [agent] to what the core and the driver must know."""

from __future__ import annotations

import socket
from pathlib import Path

import platformdirs

from hxgrid import _native
from hxgrid.errors import ConfigError
from hxgrid.settings import AgentSettings, split_address
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import is_loopback
from hxgrid.wire.messages import Capabilities
from hxgrid_agent.core.settings import CoreSettings

DEFAULT_PORT = 4102
MOST_SPARES = 8
"""Unless set: a first task needs one of them at once, and each costs some 10 MB."""


def core_settings(
    settings: AgentSettings, capabilities: Capabilities, boot_id: str
) -> CoreSettings:
    """Fill in what the core must know."""
    slots = settings.slots or max(1, capabilities.processors - settings.free_cpu_count)
    spares = settings.spare_processes
    return CoreSettings(
        boot_id=boot_id,
        name=agent_name(settings),
        capabilities=capabilities,
        slots=slots,
        spare_processes=min(slots, MOST_SPARES) if spares is None else spares,
        max_parked_processes=max(settings.max_parked_processes, slots),
        share_quantum_s=settings.share_quantum_s,
        max_sessions=settings.max_sessions,
        max_waiting_attempts=settings.max_waiting_attempts,
        max_results_waiting_bytes=settings.max_results_waiting_bytes,
        result_memory_bytes=settings.result_memory_bytes,
        memory_reserve_bytes=settings.memory_reserve_bytes,
        heartbeat_s=settings.heartbeat_s,
        suspect_after_s=settings.suspect_after_s,
        lost_after_s=settings.lost_after_s,
        status_s=settings.status_s,
        busy_after_s=settings.busy_after_s,
        suspend_s=settings.suspend_s,
        session_lease_s=settings.session_lease_s,
        cancel_grace_s=settings.cancel_grace_s,
        native_problem=_native.why_missing(),
        neighbours_served=settings.neighbours_served,
    )


def agent_name(settings: AgentSettings) -> str:
    """Return the agent's name for people."""
    return settings.agent_name or socket.gethostname() or "agent"


def wanted_port(settings: AgentSettings) -> tuple[int, bool]:
    """Return the port to bind, and whether any other will do if it is taken."""
    if settings.port is None:
        return DEFAULT_PORT, True
    return settings.port, False


def store_folder(settings: AgentSettings) -> Path:
    """Return the folder below which the blob stores of this person's agents are."""
    if settings.store_folder is not None:
        return settings.store_folder
    return Path(platformdirs.user_cache_dir("hxgrid", appauthor=False)) / "blobs"


def check_coordinator(settings: AgentSettings, security: Security) -> None:
    """Refuse an address that must not be talked to: without keys it stays on this computer."""
    if not security.is_loopback_only or not settings.coordinator:
        return
    host, _ = split_address(settings.coordinator, DEFAULT_PORT)
    if host != "localhost" and not is_loopback(host):
        raise ConfigError(
            f"without keys the agent talks to its own computer only, not to {host}",
            advice="Give --trust-network to use the LAN as it is, or set keys.",
        )
