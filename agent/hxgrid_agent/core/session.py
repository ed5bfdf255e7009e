"""One user's session as this agent keeps it."""

from __future__ import annotations

from collections import deque

from hxgrid.wire.batches import Key
from hxgrid.wire.messages import AttemptProgress, Hello
from hxgrid_agent.core.attempt import Attempt, Function
from hxgrid_agent.core.dataentry import DataEntry
from hxgrid_agent.core.place import NativeGroups, Place
from hxgrid_agent.core.process import SlotProcess


class Session:
    """Everything that ends when the session ends."""

    __slots__ = (
        "attempts",
        "cancel_requests",
        "data",
        "ending_since",
        "forgotten_data",
        "functions",
        "handle",
        "heard_at",
        "held",
        "hello",
        "hosts",
        "id",
        "is_closing",
        "is_competing",
        "lease_s",
        "max_queue_bytes",
        "native",
        "parked",
        "peer",
        "processes",
        "progress",
        "queue",
        "queued",
        "result_bytes",
        "says_ended",
        "used_s",
        "weight",
    )

    def __init__(self, handle: int, hello: Hello, peer: bytes, now: float) -> None:
        self.id = hello.session
        self.handle = handle
        self.hello = hello
        self.peer = peer
        """Routing id of its connection; changes when the user connects again."""
        self.heard_at = now
        self.lease_s = hello.lease_s
        self.weight = hello.weight
        self.functions: dict[int, Function] = {}
        self.attempts: dict[Key, Attempt] = {}
        """All that are not acknowledged, in any phase, in order of arrival."""
        self.queue: deque[Attempt] = deque()
        """In phase QUEUED, and some that no longer are: skip those."""
        self.queued = 0
        """How many of `queue` are in phase QUEUED."""
        self.result_bytes = 0
        """Payload of results that are not acknowledged."""
        self.processes: dict[int, SlotProcess] = {}
        self.held: dict[int, SlotProcess] = {}
        """Those that have a slot."""
        self.parked: list[SlotProcess] = []
        """Those that are ready and have none; the last one was used last."""
        self.hosts: dict[Place, SlotProcess] = {}
        """Those that share their host with further attempts, by what runs in them."""
        self.native = NativeGroups()
        self.used_s = 0.0
        """Slot time used, divided by the weight: what fair sharing compares."""
        self.is_competing = False
        """It has work or a slot, and `used_s` has been set to the level of the others."""
        self.progress: dict[Key, AttemptProgress] = {}
        """The last report of each running attempt."""
        self.data: dict[str, DataEntry] = {}
        self.forgotten_data: list[DataEntry] = []
        """Of names that the user forgot while somebody waited for them."""
        self.cancel_requests: list[int] = []
        """`CancelAll` messages that wait for their `Ended`."""
        self.ending_since: float | None = None
        self.says_ended = False
        """The user said `Goodbye` and waits for `Ended`."""
        self.is_closing = False
        """All processes are gone, its files are being removed."""

    @property
    def who(self) -> str:
        """The user's side, for people."""
        hello = self.hello
        user = f"{hello.user_name or 'somebody'}@{hello.host or 'somewhere'}"
        return f"{user} {hello.program}".strip()

    @property
    def slot_count(self) -> int:
        """How many slots it has."""
        return sum(len(process.slots) for process in self.held.values())

    @property
    def is_ending(self) -> bool:
        """Say whether nothing new may start for it."""
        return self.ending_since is not None
