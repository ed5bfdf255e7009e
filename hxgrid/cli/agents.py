"""`hxgrid agents`: the list of agents, as the coordinator knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hxgrid.cli.options import Common, common_options, json_option
from hxgrid.cli.output import Column, as_typed, count_of, show, show_json, size, table, width

if TYPE_CHECKING:
    from hxgrid.wire.messages import RosterEntry

COLUMNS = (
    Column("name"),
    Column("address", is_detail=True),
    Column("processors", is_number=True, is_detail=True),
    Column("free cpu", is_number=True),
    Column("free memory", is_number=True, is_detail=True),
    Column("slots", is_number=True),
    Column("tasks", is_number=True),
    Column("state"),
    Column("sessions", is_detail=True),
)


@click.command("agents")
@json_option
@common_options()
def command(as_json: bool, common: Common) -> None:
    """List the agents of the grid: what they have, what they do, and for whom."""
    from hxgrid.cli.asking import ask_coordinator

    found = ask_coordinator(common.load().settings)
    entries = [as_dict(entry) for entry in found.entries]
    if as_json:
        show_json(entries)
        return
    if entries:
        show(table(COLUMNS, [_cells(entry) for entry in entries], width()))
    slots = sum(entry["slots"] for entry in entries)
    common.say(
        f"Grid {found.grid!r} at {found.address}: {count_of(len(entries), 'agent')}, "
        f"{count_of(slots, 'slot')}."
    )
    if not entries:
        common.say(f"Next: `{as_typed()} agent` here, or on any computer that is to join.")


def as_dict(entry: RosterEntry) -> dict[str, Any]:
    """Return an agent as --json shows it."""
    status = entry.status
    return {
        "name": entry.name,
        "address": address_of(entry),
        "addresses": [f"{address.host}:{address.port}" for address in entry.addresses],
        "id": entry.agent,
        "processors": entry.capabilities.processors,
        "memory_bytes": entry.capabilities.memory_bytes,
        "platform": entry.capabilities.platform,
        "python_version": entry.capabilities.python_version,
        "slots": entry.slots,
        "free_cpu": round(status.free_cpu, 2) if status else None,
        "own_cpu": round(status.own_cpu, 2) if status else None,
        "free_memory_bytes": status.free_memory_bytes if status else None,
        "running": status.running if status else None,
        "waiting": status.waiting if status else None,
        "state": status.state.value if status else "unknown",
        "reason": status.reason if status else "",
        "sessions": list(status.sessions) if status else [],
        "age_s": round(entry.age_s, 1),
    }


def address_of(entry: RosterEntry) -> str:
    """Return the address that others use: the one that is no loopback, if there is one."""
    shown = [f"{address.host}:{address.port}" for address in entry.addresses]
    outside = [text for text in shown if not text.startswith(("127.", "::1"))]
    return (outside or shown or ["none"])[0]


def _cells(entry: dict[str, Any]) -> list[str]:
    state = entry["state"] + (f": {entry['reason']}" if entry["reason"] else "")
    free_memory = entry["free_memory_bytes"]
    return [
        entry["name"],
        entry["address"],
        str(entry["processors"]),
        "-" if entry["free_cpu"] is None else f"{entry['free_cpu']:.1f}",
        "-" if free_memory is None else size(free_memory),
        str(entry["slots"]),
        "-" if entry["running"] is None else str(entry["running"] + entry["waiting"]),
        state,
        ", ".join(entry["sessions"]) or "-",
    ]
