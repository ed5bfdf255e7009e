"""What global data a result may depend on, and whether the callback still gives the same.

A task may keep what it has made of global data in a variable, a native module in a static one, and
either in a file of the session's cache folder: the next attempt on that computer uses it without
asking again. So an entry of the journal does not name what its own attempt has asked for, but all
that its agent had been given in this session when the result came. That is never too little. It may
be too much: then a task runs again that need not have.

What an agent has been given is a chain of *nodes* (`journal_format.Node`); agents that were given
the same in the same order share one. If a name gets another answer than before, nobody knows which
of the two a later attempt there makes use of: its results are not kept any more.

Both classes belong to the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hxgrid.user.journal_format import Node

Ask = Callable[[str, Callable[[str], None]], None]
"""Asks the application for global data by name; tells its digest, empty if there is none."""


class _Given(NamedTuple):
    node: int | None
    answers: dict[str, str]


class GivenData:
    """What each agent has been given, as nodes."""

    def __init__(self, known: dict[int, Node], write: Callable[[Node], None]) -> None:
        self._numbers = {
            (each.parent, each.name, each.digest): each.number for each in known.values()
        }
        self._next = max(known, default=0) + 1
        self._write = write
        self._agents: dict[str, _Given] = {}

    def note(self, agent: str, name: str, digest: str) -> None:
        """Note an answer to an agent, before it is sent."""
        given = self._agents.get(agent)
        if given is None:
            given = self._agents[agent] = _Given(0, {})
        before = given.answers.get(name)
        given.answers[name] = digest
        if before is not None and before != digest:
            self._agents[agent] = given._replace(node=None)
        elif before is None and given.node is not None:
            node = self._number(given.node, name, digest)
            self._agents[agent] = given._replace(node=node)

    def node_of(self, agent: str) -> int | None:
        """Return what a result of this agent may depend on; None if that cannot be told."""
        given = self._agents.get(agent)
        return 0 if given is None else given.node

    def _number(self, parent: int, name: str, digest: str) -> int:
        key = (parent, name, digest)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._next
            self._next += 1
            self._write(Node(number, parent, name, digest))
        return number


class DataCheck:
    """Asks the application whether global data is what it was, each name once."""

    def __init__(self, chain: Callable[[int], list[Node] | None], ask: Ask) -> None:
        self._chain = chain
        self._ask = ask
        self._answers: dict[str, str] = {}
        self._waiting: dict[str, list[Callable[[], None]]] = {}
        self._verdicts: dict[int, bool] = {0: True}
        self._epoch = 0

    def forget(self) -> None:
        """Ask again from now on: the data may be other data."""
        self._epoch += 1
        self._answers = {}
        self._verdicts = {0: True}
        waiting, self._waiting = self._waiting, {}
        for calls in waiting.values():
            for call in calls:
                call()

    def check(self, number: int, then: Callable[[bool], None]) -> None:
        """Tell `then` whether all data up to this node is what it was; perhaps at once."""
        verdict = self._verdicts.get(number)
        if verdict is not None:
            then(verdict)
            return
        nodes = self._chain(number)
        if nodes is None:
            self._verdicts[number] = False
            then(False)
            return
        is_same = True
        for node in nodes:
            known = self._verdicts.get(node.number)
            if known is None:
                answer = self._answers.get(node.name) if is_same else ""
                if answer is None:
                    self._wait(node.name, lambda: self.check(number, then))
                    return
                known = self._verdicts[node.number] = is_same and answer == node.digest
            is_same = known
        then(is_same)

    def _wait(self, name: str, call: Callable[[], None]) -> None:
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.append(call)
            return
        self._waiting[name] = [call]
        epoch = self._epoch

        def take(digest: str) -> None:
            if epoch != self._epoch:
                return  # asked before the data was changed; those who waited have asked again
            self._answers[name] = digest
            for each in self._waiting.pop(name, []):
                each()

        self._ask(name, take)
