"""Comparing results of one task that came from several agents, and telling what came of it.

Outputs are compared as bytes, beside the loop. Values of calls that differ as bytes may still be
equal, as sets are pickled in another order in each process: they are told apart by what they
consist of (`modules.identity`). That unpickles them, and `verify_compare` is the application's, so
both run on the callback thread. Calls that raised agree if both did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from hxgrid.logs import get_logger
from hxgrid.modules.calls import Outcome, Status, open_outcome, unpack_outcomes
from hxgrid.modules.identity import NoIdentity, identity_of
from hxgrid.streams import Stream
from hxgrid.streams.compression import unpack
from hxgrid.streams.digests import new_hash
from hxgrid.user.core.actions import CompareResults, TellDispute
from hxgrid.user.core.events import ResultsCompared
from hxgrid.user.core.verification import Verdicts
from hxgrid.user.failures import AgentNames
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag

_COMPRESSED = int(AttemptFlag.COMPRESSED)

_log = get_logger("user")

Compare = Callable[[Any, Any], object]
"""The application's: whether two outputs (streams) or two values of a call agree."""
Run = Callable[[Callable[[], None]], object]


class Dispute(NamedTuple):
    """Agents that gave different results for one task."""

    task: int
    agents: tuple[str, ...]
    """Names of those whose results were compared."""
    odd: str | None
    """The one whose result two others contradict; None if nobody can tell who is right."""

    def __str__(self) -> str:
        agents = f"{', '.join(self.agents[:-1])} and {self.agents[-1]}"
        if self.odd is None:
            return f"{agents} gave different results for task {self.task}; who is right is unknown"
        return f"{self.odd} gave a wrong result for task {self.task} (asked were {agents})"


class VerificationReport(NamedTuple):
    """What `Session.verification` tells."""

    agreed: int
    """Tasks for which two agents gave the same result."""
    unverified: int
    """Chosen tasks whose result was taken unverified: no other agent could check it in time."""
    disputes: tuple[Dispute, ...]

    def __str__(self) -> str:
        parts = [f"{self.agreed} tasks verified"]
        if self.unverified:
            parts.append(f"{self.unverified} could not be verified")
        if self.disputes:
            parts.append(f"{len(self.disputes)} with different results")
        return ", ".join(parts)


class Verifier:
    """Compares on behalf of the core. Its methods belong to the loop's thread."""

    def __init__(
        self,
        *,
        takes_calls: Callable[[int], bool],
        beside_loop: Run,
        on_callback_thread: Run,
        post: Callable[[ResultsCompared], object],
        names: AgentNames,
    ) -> None:
        self.compare: Compare | None = None
        """`verify_compare` of the application."""
        self._takes_calls = takes_calls
        self._beside_loop = beside_loop
        self._on_callback_thread = on_callback_thread
        self._post = post
        self._names = names

    def start(self, action: CompareResults) -> None:
        """Compare results; `ResultsCompared` is posted."""
        task, results = action
        is_calls = self._takes_calls(task.function)
        work = partial(self._compare, task.id, results, is_calls)
        if is_calls or self.compare is not None:
            self._on_callback_thread(work)
        else:
            self._beside_loop(work)

    def tell(self, action: TellDispute) -> None:
        """Warn that agents do not agree, or that nobody can check anything."""
        told = action.dispute
        if told is None:
            _log.warning(
                "a task could not be verified: no other agent can run it in time; "
                "further ones are only counted"
            )
            return
        dispute = named(told, self._names)
        _log.warning("agents do not agree", task=told.task, odd=dispute.odd or "", what=dispute)

    def _compare(self, task: int, results: Sequence[ResultRecord], is_calls: bool) -> None:
        groups: Sequence[int] = ()
        try:
            same = self._same_calls if is_calls else self._same_outputs
            groups = group([_output(each) for each in results], same)
        finally:
            self._post(ResultsCompared(task, groups))

    def _same_outputs(self, one: Any, other: Any) -> bool:
        if self.compare is None:
            return new_hash(one).digest() == new_hash(other).digest()
        streams = (Stream(one, readonly=True), Stream(other, readonly=True))
        return bool(self.compare(*streams))

    def _same_calls(self, one: Any, other: Any) -> bool:
        if one == other:
            return True
        count = int.from_bytes(bytes(one[:4]), "little")
        pairs = zip(unpack_outcomes(one, count), unpack_outcomes(other, count), strict=True)
        return all(self._same_outcome(*pair) for pair in pairs)

    def _same_outcome(self, one: Outcome, other: Outcome) -> bool:
        if one.status != Status.VALUE or other.status != Status.VALUE:
            return (one.status == Status.VALUE) == (other.status == Status.VALUE)
        if bytes(one.pickled) == bytes(other.pickled):
            return True
        values = (open_outcome(one), open_outcome(other))
        if self.compare is not None:
            return bool(self.compare(*values))
        try:
            return identity_of(values[0])[0] == identity_of(values[1])[0]
        except NoIdentity:
            return False


def named(dispute: Any, names: AgentNames) -> Dispute:
    """Return a dispute as people see it."""
    agents = tuple(names.name(agent) for agent in dispute.agents)
    odd = None if dispute.odd is None else names.name(dispute.odd)
    return Dispute(dispute.task, agents, odd)


def report_of(verdicts: Verdicts, names: AgentNames) -> VerificationReport:
    """Return what has come of the verification so far."""
    disputes = tuple(named(each, names) for each in list(verdicts.disputes))
    return VerificationReport(verdicts.agreed, verdicts.unverified, disputes)


def group(outputs: Sequence[Any], are_same: Callable[[Any, Any], bool]) -> list[int]:
    """Give equal numbers to outputs that agree: each is compared with the first of a group."""
    groups: list[int] = []
    for index, output in enumerate(outputs):
        same = next(
            (
                number
                for earlier, number in enumerate(groups)
                if number == earlier and are_same(outputs[earlier], output)
            ),
            index,
        )
        groups.append(same)
    return groups


def _output(result: ResultRecord) -> Any:
    if result.flags & _COMPRESSED:
        return unpack(result.payload, result.raw_bytes, MAX_PAYLOAD_BYTES)
    return result.payload
