"""The agent's one loop: users, task processes, disk and coordinator, joined by the core.

Everything that happens becomes an event, the core answers with orders, and the orders are carried
out here in their order. Events that arise while orders are being carried out wait their turn, so
the core never sees a half-done world. The loop runs no foreign code, unpickles nothing, and leaves
the disk to a side thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hxgrid.blobs.store import BlobStore
from hxgrid.ids import new_boot_id
from hxgrid.logs import get_logger
from hxgrid.transport.addresses import own_addresses
from hxgrid.transport.entrance import Entrance
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import LOOPBACK, SocketLimits, is_loopback
from hxgrid.wire.messages import AgentStatus, NetworkAddress, RosterEntry
from hxgrid_agent.blob_work import BlobWork
from hxgrid_agent.configuration import (
    check_coordinator,
    core_settings,
    store_folder,
    wanted_port,
)
from hxgrid_agent.coordinator_link import CoordinatorLink
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.actions import Action
from hxgrid_agent.core.core import AgentCore
from hxgrid_agent.folders import WorkFolder
from hxgrid_agent.neighbours import Neighbours
from hxgrid_agent.orders import Orders
from hxgrid_agent.peers import Peers
from hxgrid_agent.probes.affinity import processors_for_slots
from hxgrid_agent.probes.cpu import CpuProbe
from hxgrid_agent.probes.readings import capabilities, free_memory_bytes
from hxgrid_agent.processes import SHORT_POLL_S, Processes
from hxgrid_agent.side_thread import SideThread
from hxgrid_agent.transfers import Transfers
from hxgrid_agent.uploads import Uploading

if TYPE_CHECKING:
    from hxgrid.clock import Clock
    from hxgrid.settings import AgentSettings

SAMPLE_S: Final = 1.0
"""How often the computer is looked at."""

ADDRESSES_S: Final = 10.0
"""How long the list of our addresses is believed: cables come and go."""

LEAVE_LIMIT_S: Final = 1.5
"""What sessions and processes get when the agent ends; what is left then is killed."""


class AgentDriver:
    """Runs one agent in the calling thread: `open`, `run`, `close`."""

    def __init__(
        self,
        settings: AgentSettings,
        security: Security,
        clock: Clock,
        *,
        is_embedded: bool = False,
    ) -> None:
        self.boot_id = new_boot_id()
        self.loop = Loop(clock, "agent")
        self.capabilities = capabilities(settings.labels)
        self.core = AgentCore(core_settings(settings, self.capabilities, self.boot_id))
        self._settings = settings
        self._security = security
        self._clock = clock
        self._is_embedded = is_embedded
        """Nobody looks for us: no coordinator, no UDP."""
        self._events: deque[ev.Event] = deque()
        self._is_busy = False
        self._leave_by: float | None = None
        self._sample_at = 0.0
        self._poll_at = 0.0
        self._addresses: tuple[NetworkAddress, ...] = ()
        self._addresses_until = 0.0
        self._folder = WorkFolder(settings.work_folder)
        self._side = SideThread(self.loop, "disk")
        # Apart, because a session's files must be gone soon, however large a blob is being checked.
        self._sweeper = SideThread(self.loop, "sweep")
        self._cpu = CpuProbe(self.capabilities.processors, clock.now())
        self._log = get_logger("agent")
        self._entrance = Entrance(self.loop, security)
        # All made by `open`.
        self._store: BlobStore | None = None
        self._peers: Peers
        self._transfers: Transfers
        self._uploading: Uploading
        self._neighbours: Neighbours
        self._processes: Processes
        self._orders: Orders
        self._is_made = False
        """Whether `open` got so far; folders and ports may fail it before."""
        self._link: CoordinatorLink | None = None

    # -- life

    def open(self) -> None:
        """Take the port and the folders; AddressInUse, ConfigError or StoreError say why not."""
        settings = self._settings
        check_coordinator(settings, self._security)
        self._open_entrance()
        self._folder.open()
        self._store = BlobStore.open_first_free(store_folder(settings), settings.store_quota_bytes)
        self._side.start()
        self._sweeper.start()
        self._transfers = Transfers(self._clock, self.on_event)
        door = self._entrance.doorkeeper("agent", f"agent {self.core.table.settings.name}")
        allowed = self._security.allowed
        self._peers = Peers(
            self._entrance.socket,
            self._clock,
            self.on_event,
            self._transfers,
            door=door,
            allowed=allowed if self._security.keys is not None else None,
            introduce=self._entrance.introduce,
        )
        blobs = BlobWork(self._store, self._side, self.on_event)
        self._uploading = Uploading(
            self._peers, self._clock, self.on_event, settings.upload_bytes_per_s
        )
        self._transfers.connect(self._peers, blobs, self._uploading)
        self._neighbours = Neighbours(
            self.loop,
            self._clock,
            self._entrance.factory,
            self.on_event,
            is_loopback_only=self._security.is_loopback_only,
            is_lagging=lambda: self._transfers.is_lagging,
        )
        slots = self.core.table.settings.slots
        self._processes = Processes(
            self.loop,
            self._clock,
            self._folder.processes,
            self.on_event,
            processors=processors_for_slots(slots) if settings.explicit_cpu else (),
        )
        self._orders = Orders(
            self._peers,
            self._transfers,
            self._processes,
            blobs,
            self._neighbours,
            self._uploading,
            allowed=allowed,
            folder=self._folder,
            side=self._sweeper,
            on_event=self.on_event,
        )
        self._is_made = True
        self._entrance.serve(self._peers.on_readable)
        if not self._is_embedded:
            self._link = CoordinatorLink(
                settings,
                self.loop,
                self._clock,
                self._entrance.factory,
                self.status,
            )
            self._link.start()

    def run(self) -> None:
        """Serve until `stop` has been called and everything has been given back."""
        self.loop.run(self)

    def stop(self, limit_s: float = LEAVE_LIMIT_S) -> None:
        """End in order: give attempts back, end sessions and processes. From any thread."""
        self.loop.call_soon_threadsafe(lambda: self._leave(limit_s))

    def close(self) -> None:
        """Give everything back; kills what still runs. Twice is harmless."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._is_made:
            self._is_made = False
            self._processes.close()
            self._neighbours.close()
        self._entrance.shut()
        self._side.close()
        self._sweeper.close()
        if self._store is not None:
            self._store.close()
        self._folder.close()
        self._entrance.close()
        self.loop.close()

    # -- what others are told

    @property
    def port(self) -> int:
        """Where it listens; known after `open`."""
        return self._entrance.port

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this computer can reach the agent."""
        return self._security.is_loopback_only or is_loopback(self._settings.bind)

    def addresses(self) -> tuple[NetworkAddress, ...]:
        """Return where the agent can be reached."""
        now = self._clock.now()
        if now >= self._addresses_until:
            self._addresses_until = now + ADDRESSES_S
            if self._settings.bind:
                hosts = [self._settings.bind]
            elif self.is_on_loopback:
                hosts = [LOOPBACK]
            else:
                hosts = own_addresses()[:64]
            self._addresses = tuple(NetworkAddress(host=host, port=self.port) for host in hosts)
        return self._addresses

    def status(self) -> AgentStatus:
        """Describe the agent for its coordinator."""
        summary = self.core.summary()
        settings = self.core.table.settings
        keys = self._security.keys
        return AgentStatus(
            agent=self.boot_id,
            name=settings.name,
            addresses=self.addresses(),
            public_key=keys.public if keys is not None else "",
            slots=settings.slots,
            free_cpu=summary.free_cpu,
            own_cpu=summary.own_cpu,
            free_memory_bytes=summary.free_memory_bytes,
            running=summary.running,
            waiting=summary.waiting,
            state=summary.state,
            reason=summary.reason[:1024],
            sessions=summary.sessions[:1000],
            capabilities=self.capabilities,
        )

    def roster_entry(self) -> RosterEntry:
        """Describe the agent as a coordinator's roster would."""
        keys = self._security.keys
        return RosterEntry(
            agent=self.boot_id,
            name=self.core.table.settings.name,
            addresses=self.addresses(),
            public_key=keys.public if keys is not None else "",
            slots=self.core.table.settings.slots,
            capabilities=self.capabilities,
        )

    # -- events and orders

    def on_event(self, event: ev.Event) -> None:
        """Hand an event to the core and carry out its orders; nested ones wait their turn."""
        self._events.append(event)
        if not self._is_busy:
            self._carry_out(())

    def _carry_out(self, actions: Sequence[Action]) -> None:
        """Carry out orders, then take the events that have come of it, and so on."""
        events, core, orders = self._events, self.core, self._orders
        self._is_busy = True
        try:
            if actions:
                orders.carry_out(actions)
            now = self._clock.now()
            while events:
                orders.carry_out(core.handle(events.popleft(), now))
        finally:
            self._is_busy = False

    # -- the loop's handler

    def tick(self, now: float) -> None:
        """Do what is due."""
        if now >= self._sample_at:
            self._sample(now)
        if self._processes.wants_poll and now >= self._poll_at:
            self._poll_at = now + SHORT_POLL_S
            self._processes.poll(is_all=False)
        deadline = self.core.next_deadline()
        if deadline is not None and now >= deadline:
            self._carry_out(self.core.tick(now))
        self._neighbours.tick(now)
        if self._link is not None:
            self._link.tick(now)
        self._entrance.tick(now)
        if self._leave_by is not None and (now >= self._leave_by or self.core.is_empty):
            self.loop.stop()

    def next_deadline(self) -> float:
        """Return when `tick` is wanted next."""
        deadline = self._sample_at
        core = self.core.next_deadline()
        if core is not None and core < deadline:
            deadline = core
        if self._link is not None:
            link = self._link.next_deadline()
            if link is not None and link < deadline:
                deadline = link
        if self._processes.wants_poll and self._poll_at < deadline:
            deadline = self._poll_at
        for bulk in (self._neighbours, self._uploading):
            at = bulk.next_deadline()
            if at is not None and at < deadline:
                deadline = at
        strangers = self._entrance.next_deadline()
        if strangers is not None and strangers < deadline:
            deadline = strangers
        if self._leave_by is not None:
            deadline = 0.0 if self.core.is_empty else min(deadline, self._leave_by)
        return deadline

    def flush(self) -> None:
        """Send what has gathered in this turn."""
        self._peers.flush()
        self._transfers.flush()
        self._uploading.flush()
        self._neighbours.flush()

    def _sample(self, now: float) -> None:
        self._sample_at = now + SAMPLE_S
        self._processes.poll(is_all=True)
        self._processes.report_progress()
        self._cpu.read(self._processes.ids, now)
        free_bytes = free_memory_bytes()
        is_short = free_bytes < self.core.table.settings.memory_reserve_bytes
        held = self._processes.private_bytes() if is_short else {}
        self.on_event(ev.Sampled(self._cpu.free_cpu, self._cpu.own_cpu, free_bytes, held))
        self._peers.retry()
        self._uploading.retire(now)

    def _leave(self, limit_s: float) -> None:
        if self._leave_by is None:
            self._leave_by = self._clock.now() + limit_s
            self.on_event(ev.AgentLeaves())

    def _open_entrance(self) -> None:
        settings = self._settings
        limits = SocketLimits(
            max_frame_bytes=settings.max_message_bytes,
            max_connections=settings.max_connections,
        )
        port, or_any_port = wanted_port(settings)
        self._entrance.open(limits, settings.bind, port, or_any_port=or_any_port)
