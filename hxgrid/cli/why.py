"""`hxgrid why`: one sentence each, why a task waits or failed, why an agent gets no work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from hxgrid.cli.options import Common, common_options, json_option
from hxgrid.cli.output import count_of, duration, folded, show, show_json, width
from hxgrid.errors import HxGridError, NoGridFound

if TYPE_CHECKING:
    from hxgrid.wire.messages import RosterEntry


MAX_SHOWN_TASKS = 10


class Reply(NamedTuple):
    """One sentence."""

    kind: str
    """task, agent or session."""
    subject: str
    text: str
    session: str = ""
    """Which session says so; empty for what the coordinator says."""


@click.command("why")
@click.argument("subject", required=False, metavar="[TASK or AGENT]")
@json_option
@common_options()
def command(subject: str | None, as_json: bool, common: Common) -> None:
    """Say why a task waits or failed, or why an agent gets no work.

    TASK is a number as error messages and logs show it, AGENT a name from `hxgrid agents`. Without
    either, all that is known of the last session and of all agents.

    Sessions of this person on this computer are known, also when they have ended.
    """
    from hxgrid.user.diary import read_diaries

    settings = common.load().settings
    diaries = read_diaries()
    if subject is not None and subject.isdecimal():
        replies = about_task(diaries, int(subject))
    else:
        from hxgrid.cli.asking import ask_coordinator

        try:
            entries = ask_coordinator(settings).entries
        except NoGridFound:
            # The last session can be asked about without a grid, an agent cannot.
            if subject is not None or not diaries:
                raise
            common.say("No grid answers; this is what is known of the last session:")
            entries = ()
        replies = about_agents(entries, diaries, subject)
        if subject is None:
            replies = [*about_session(diaries), *replies]
    _print(replies, as_json=as_json)


def about_task(diaries: list[dict[str, Any]], task: int) -> list[Reply]:
    """Return what the sessions say of a task of this number, the latest session first."""
    found = [
        _task_reply(page, line)
        for page in diaries
        for line in _tasks(page)
        if str(line["task"]) == str(task)
    ]
    if found:
        return found[:1]  # of sessions that are over, only the last one is of interest
    raise HxGridError(
        f"nothing is known of a task {task}",
        why=_why_unknown(task, diaries),
        advice="`hxgrid why` without a number tells all that is known.",
    )


def _why_unknown(task: int, diaries: list[dict[str, Any]]) -> str:
    if task == 0:
        return "tasks are numbered from 1"
    having = [page for page in diaries if task <= int(page["counts"].get("accepted", 0))]
    if not having:
        return "no session of this person on this computer has had so many tasks"
    for page in filter(_is_running, having):
        waiting = sum(line["state"] == "waiting" for line in page["tasks"])
        if _open_count(page["counts"]) > waiting:
            # A session tells of the first ones only.
            return f"it has succeeded, runs, or waits behind the {waiting:,} that are told of"
    return "it neither waits nor has failed"


def _open_count(counts: dict[str, Any]) -> int:
    ended = sum(int(counts.get(name, 0)) for name in ("done", "failed", "cancelled"))
    return int(counts.get("accepted", 0)) - ended


def about_session(diaries: list[dict[str, Any]]) -> list[Reply]:
    """Return what is known of the last session."""
    if not diaries:
        return []
    page = diaries[0]
    counts = page["counts"]
    how = "runs" if _is_running(page) else f"ended {_ago(page['ended_at'])}"
    done, failed = int(counts.get("done", 0)), int(counts.get("failed", 0))
    text = (
        f"The last session ({page['program']}, process {page['process_id']}) {how}: "
        f"{count_of(int(counts.get('accepted', 0)), 'task')} accepted, {done:,} done, "
        f"{failed:,} failed."
    )
    first = Reply("session", str(page["session"])[:8], text, str(page["session"]))
    return [first, *(_task_reply(page, line) for line in _tasks(page))]


def about_agents(
    entries: tuple[RosterEntry, ...], diaries: list[dict[str, Any]], name: str | None
) -> list[Reply]:
    """Return what coordinator and running sessions say of agents; of one, if it is named."""
    replies = [Reply("agent", entry.name, _about_agent(entry)) for entry in entries]
    replies += [
        Reply("agent", str(line["agent"]), str(line["text"]), str(page["session"]))
        for page in diaries
        if _is_running(page)
        for line in page["agents"]
    ]
    if name is None:
        return replies
    wanted = [reply for reply in replies if reply.subject == name]
    if not wanted:
        known = ", ".join(sorted({entry.name for entry in entries})) or "none"
        raise HxGridError(
            f"there is no agent {name!r} on the list",
            advice=f"Known are: {known}. A task is asked for by its number.",
        )
    return wanted


def _about_agent(entry: RosterEntry) -> str:
    status = entry.status
    if status is None:
        return f"Agent {entry.name} has told nothing of itself yet."
    if status.state.value != "active":
        return (
            f"Agent {entry.name} is {status.state.value}: {status.reason or 'it does not say why'}."
        )
    slots = count_of(entry.slots, "slot")
    if status.running >= entry.slots:
        running = count_of(status.running, "task")
        return f"Agent {entry.name} works: {running} in {slots}, {status.waiting} wait there."
    if status.running:
        return f"Agent {entry.name} works in {status.running} of {slots}; nobody has sent it more."
    if status.sessions:
        who = ", ".join(status.sessions)
        return f"Agent {entry.name} has no work: {who} has sent it none at the moment."
    return f"Agent {entry.name} has no work: no session is connected to it."


def _tasks(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines about tasks; nothing waits any more in a session whose program is gone."""
    is_running = _is_running(page)
    return [line for line in page["tasks"] if is_running or line["state"] != "waiting"]


def _task_reply(page: dict[str, Any], line: dict[str, Any]) -> Reply:
    return Reply("task", str(line["task"]), str(line["text"]), str(page["session"]))


def _is_running(page: dict[str, Any]) -> bool:
    # A killed program leaves its diary open; its process tells.
    import psutil

    return page.get("ended_at") is None and psutil.pid_exists(int(page["process_id"]))


def _ago(moment: float | None) -> str:
    return "without closing" if moment is None else f"{duration(time.time() - moment)} ago"


def _print(replies: list[Reply], *, as_json: bool) -> None:
    if as_json:
        show_json([reply._asdict() for reply in replies])
        return
    if not replies:
        show("Nothing is known: no session has run, and the grid has no agents.")
    hidden = len(replies) - len(_shortened(replies))
    for reply in _shortened(replies):
        show(folded(reply.text, width()))
    if hidden:
        show(f"... and {hidden:,} more; --json tells all.")


def _shortened(replies: list[Reply]) -> list[Reply]:
    """Leave out all but the first of many tasks: people see the pattern."""
    tasks = [reply for reply in replies if reply.kind == "task"]
    dropped = set(tasks[MAX_SHOWN_TASKS:])
    return [reply for reply in replies if reply not in dropped]
