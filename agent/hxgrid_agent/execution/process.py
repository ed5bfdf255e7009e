"""`TaskProcess`: the agent's end of one task process; of a host process it is the base.

It is started without belonging to anybody, reports `Ready`, is assigned to one session, runs that
session's attempts one at a time in the order in which it got them, and ends with `Died`, whatever
ended it. Nothing here waits for the process: what cannot be sent at once is kept until the socket
takes it, and what the process says is cut into frames as it comes. All methods belong to the thread
of the agent's loop; orders to a process that has died are silently too late.

The awkward case is the end. The socket's end is how it is noticed, but a task can close the socket
and live, a child of the task can hold it open, and the exit status may come a moment later. So the
socket's end is followed by a short wait for the exit; `poll` finds a later one, and kills a process
that does not die. Only then, and before the dead process is waited for (which frees its number),
everything that it has started is found and killed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from hxgrid.tasks.page import FLAGS_AT, RING, SharedPage
from hxgrid.wire.batches import AttemptRecord, Key
from hxgrid.wire.limits import MAX_NAME_CHARS
from hxgrid.wire.messages import FunctionOffer, Reason
from hxgrid_agent.execution import frames, platform
from hxgrid_agent.execution.channel import Channel
from hxgrid_agent.execution.ended import read_ended
from hxgrid_agent.execution.events import (
    DataAsked,
    DataGivenUp,
    Died,
    Ready,
    Returned,
    SlotEvent,
)
from hxgrid_agent.execution.exits import describe_exit, read_tail
from hxgrid_agent.execution.footprint import private_bytes
from hxgrid_agent.execution.frames import IN_FILE, Assignment, FrameError
from hxgrid_agent.execution.held import HeldAttempts

_EXIT_WAIT_S: Final = 0.02
"""How long after the socket's end the exit status is waited for: it follows within microseconds."""
_EXIT_POLL_S: Final = 0.001
_DYING_S: Final = 1.0
"""How long it may take to die, with many threads and much memory on a busy computer, before it
counts as one that has closed its socket and lives."""
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
"""A slot is one processor's worth; numeric libraries would take all there are, in every slot."""


class TaskProcess:
    """One task process and what it has been given. See the module's text for its life."""

    role = "slot"
    """What the command line calls it."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.slots = [0]
        """What its results say about where they ran: the slot of each of its threads, of which a
        slot process has one. Whoever deals the slots sets it."""
        self._folder = folder
        self._mark = secrets.token_hex(8)
        self._name = f"{number}-{self._mark}"
        # What the first frame says beside the page.
        self._setup: dict[str, str] = {}
        # All made by `start`.
        self._process: subprocess.Popen[bytes]
        self._channel: Channel
        self._page: SharedPage
        self._output: int
        self._paths: tuple[Path, ...] = ()
        self._is_started = False
        self._held = HeldAttempts()
        self._keys = self._held.keys
        self._exchange_folder = ""
        self._last_beats = 0
        self._last_beat_at = 0.0
        self._last_report = (0, 0.0, "")
        # Why we ended it; empty if it ended by itself.
        self._kill_reason = ""
        self._is_swept = False  # everything that it had started is killed
        self._cut_at = 0.0
        self._is_dead = False
        self._has_dumped_core = False

    # -- life

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it; `Ready` follows. Raises `OSError` if the system cannot.

        Costs the caller about a millisecond. On Linux the process dies with the calling thread.
        """
        page_path = self._folder / f"page-{self._name}"
        output_path = self._folder / f"output-{self._name}"
        self._page = self._make_page(page_path)
        self._output = os.open(output_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._paths = (page_path, output_path)
        self._channel, channel, bell = Channel.open()
        self._is_started = True
        given = os.environ if environment is None else environment
        # The agent's own settings, keys among them, are none of a task's business.
        passed = {name: value for name, value in given.items() if not name.startswith("HXGRID_")}
        try:
            self._process = platform.spawn(
                self.role,
                channel,
                bell,
                self._output,
                self._folder,
                {**_ONE_THREAD, **self._adapted(passed), platform.MARK: self._mark},
            )
        except OSError:
            self._release()
            self._channel.close()
            raise
        finally:
            channel.close()
            bell.close()
        self._send(frames.pack_json(frames.SETUP, page=str(page_path), **self._setup))

    def _make_page(self, path: Path) -> SharedPage:
        """Make what the process shares with us."""
        return SharedPage.create(path)

    def _adapted(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Return what the process gets of our environment."""
        return environment

    @property
    def socket(self) -> socket.socket:
        """What the loop waits for; `on_readable` and, if `wants_write`, `on_writable` follow."""
        return self._channel.socket

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def is_cut(self) -> bool:
        """The socket has ended: stop watching it, and call `poll` until `Died` comes."""
        return self._channel.is_cut

    def end(self) -> None:
        """Let it finish what it holds, run its last hooks and end; `Died` follows."""
        if self._is_dead:
            return
        self._kill_reason = self._kill_reason or "the task process ended as it was asked to"
        self._send(frames.pack_frame(frames.END))

    def kill(self, reason: str) -> None:
        """Kill it and everything that it has started; `Died` with this reason follows."""
        if not self._is_dead:
            self._kill_reason = reason
            self._is_swept = True
            platform.kill_tree(self._process, self._mark)

    def poll(self) -> Died | None:
        """Return `Died` if the process has ended; once. Call it from time to time: see above."""
        if self._is_dead:
            return None
        if not platform.has_exited(self._process):
            is_cut = self._channel.is_cut
            if is_cut and not self._is_swept and monotonic() >= self._cut_at + _DYING_S:
                self.kill("the task process closed its connection to its agent")
            return None
        if self._channel.has_last_words():
            return None
        if not self._is_swept:
            # What it has left behind, while it can still be found by its parent's number.
            platform.kill_tree(self._process, self._mark)
        return self._bury(self._wait())

    def close(self) -> None:
        """Let everything go; if it lives, kill it and wait for it. Closing twice is harmless.

        Due after `Died` too: until then the socket stays open, so that the loop can forget it.
        """
        if self._is_started:
            if not self._is_dead:
                self.kill("the agent has ended")
                self._bury(self._wait())
            self._channel.close()

    # -- work

    def assign(self, assignment: Assignment) -> None:
        """Let it work for this session from now on; once."""
        self._exchange_folder = assignment.exchange_folder
        self._send(frames.pack_json(frames.ASSIGN, **assignment._asdict()))

    def offer_function(self, offer: FunctionOffer, folder: str, paths: Sequence[str]) -> None:
        """Say what a function id stands for; its files lie in `folder` under `paths`."""
        spec = {
            "kind": offer.kind,
            "entry": offer.entry,
            "module": offer.module,
            "folder": folder,
            "paths": list(paths),
            "distribution": offer.distribution,
            "distribution_version": offer.distribution_version,
            "python_implementation": offer.python_implementation,
            "python_version": offer.python_version,
            "label": offer.label,
        }
        self._send(frames.pack_json(frames.FUNCTION, function=offer.function, spec=spec))

    @property
    def room(self) -> int:
        """How many more attempts it can be given."""
        return RING - len(self._keys)

    def run(self, attempts: Sequence[tuple[AttemptRecord, str]]) -> None:
        """Give it attempts, each with the path of its input, or "" if the record has the payload.

        The files must stay until the attempts have ended; the process only reads them.
        """
        if self._is_dead:
            return
        runs: list[frames.Run] = []
        keys, page_flags = self._keys, self._page.flags
        serials = self._held.new_serials(len(attempts))
        for serial, (record, path) in zip(serials, attempts, strict=True):
            task, attempt, flags, function, _, raw_bytes, payload = record
            keys[serial] = (task, attempt)
            page_flags[FLAGS_AT + serial % RING] = 0
            if flags or path:
                # Of the flags of the wire only this one means something there.
                flags &= frames.COMPRESSED
                if path:
                    flags |= IN_FILE
                    payload = os.fsencode(path)
            runs.append((serial, function, flags, raw_bytes, payload))
        self._send(frames.pack_run(runs))

    def take_back(self, keys: Iterable[Key]) -> None:
        """Ask for those of these that it has not begun; `Returned` follows if there are any."""
        serials = self._held.serials_of(keys)
        if serials:
            self._send(frames.pack_serials(frames.TAKE_BACK, serials))
            self._channel.ring()

    def cancel(self, keys: Iterable[Key]) -> None:
        """Tell these to stop. They end as CANCELLED, or as what they were just before."""
        for serial in self._held.serials_of(keys):
            self._page.cancel(serial)

    def suspend(self) -> None:
        """Freeze it and everything that it has started."""
        if self._is_dead:
            return
        self._page.suspend(True)
        platform.stop_tree(self._process, self._mark)

    def resume(self) -> None:
        """Let it go on."""
        if self._is_dead:
            return
        self._page.suspend(False)
        platform.continue_tree(self._process, self._mark)

    def answer_data(self, request: int, path: str | None, text: str = "") -> None:
        """Answer a `DataAsked`: the file to map, or why there is none."""
        self._send(frames.pack_json(frames.DATA, request=request, path=path, text=text))

    def forget_data(self, names: Sequence[str] | None) -> None:
        """Have it ask again for these global data; None: for all. Tasks keep what they hold."""
        forgotten = None if names is None else list(names)
        self._send(frames.pack_json(frames.FORGET_DATA, names=forgotten))
        if not self._is_dead:
            self._channel.ring()  # it may be inside a task that asks again

    # -- what can be seen without asking

    @property
    def held(self) -> Sequence[Key]:
        """Attempts that it holds, in the order in which it runs them."""
        return list(self._keys.values())

    def running(self) -> tuple[Key, float] | None:
        """Return the attempt that it is in, and since when; None between attempts."""
        if self._is_dead:
            return None
        serial, began_at = self._page.running
        key = self._keys.get(serial)
        return None if key is None else (key, began_at)

    def last_beat(self, now: float) -> float:
        """Return when it was last seen to beat; it beats about every 0.4 s once it is assigned."""
        beats = self._last_beats if self._is_dead else self._page.beats
        if beats != self._last_beats:
            self._last_beats = beats
            self._last_beat_at = now
        return self._last_beat_at

    def new_report(self) -> tuple[Key, float, str] | None:
        """Return what the running attempt has reported since the last call: fraction, text."""
        report = None if self._is_dead else self._page.report()
        if report is None or report == self._last_report or report.serial not in self._keys:
            return None
        self._last_report = report
        return self._keys[report.serial], report.fraction, report.text

    def cpu_seconds(self) -> float | None:
        """Return the processor time of its whole tree; None if it is gone."""
        return None if self._is_dead else platform.cpu_seconds(self._process)

    def private_bytes(self) -> int:
        """Return the memory that its tree holds alone; slow."""
        return 0 if self._is_dead else private_bytes(self._process)

    def is_stopped(self) -> bool:
        """Say whether the system holds it stopped, by `suspend` or by somebody else."""
        return not self._is_dead and platform.is_stopped(self._process)

    # -- the socket

    @property
    def wants_write(self) -> bool:
        """Whether something waits for the socket to take it."""
        return self._channel.wants_write

    def on_writable(self) -> None:
        """Send what waits, as far as the socket takes it."""
        self._channel.on_writable()

    def on_readable(self) -> list[SlotEvent]:
        """Take in what has come; `Died` is the last event ever."""
        if self._is_dead or self._channel.is_cut:
            return []
        try:
            received = self._channel.receive()
            if received is not None:
                return [self._event(kind, body) for kind, body in received]
        except FrameError as error:
            self.kill(f"the task process broke the rules: {error}")
        return self._on_cut()

    def _on_cut(self) -> list[SlotEvent]:
        self._channel.is_cut = True
        self._cut_at = monotonic()
        platform.hasten(self._process.pid)
        self._wait_for_exit()
        died = self.poll()
        return [] if died is None else [died]

    def _wait_for_exit(self) -> None:
        never = threading.Event()
        for _ in range(int(_EXIT_WAIT_S / _EXIT_POLL_S)):
            if platform.has_exited(self._process):
                return
            never.wait(_EXIT_POLL_S)

    def _event(self, kind: int, body: bytes) -> SlotEvent:
        if kind == frames.RESULTS:
            return read_ended(body, self._keys, self.slots, self._exchange_folder, self.pid)
        if kind == frames.RETURNED:
            return Returned(self._held.take_out(frames.read_serials(body)))
        fields = frames.read_json(body)
        name = fields.get("name")
        if kind == frames.DATA_WANTED:
            request = fields.get("request")
            if isinstance(request, int) and isinstance(name, str) and len(name) <= MAX_NAME_CHARS:
                return DataAsked(request, name)
        elif kind == frames.DATA_FREED:
            if name is None or isinstance(name, str):
                return DataGivenUp(name)
        elif kind == frames.READY:
            self._forget_files()
            return Ready(tuple(str(note) for note in fields.get("notes", ())))
        raise FrameError(f"a frame of kind {kind} holds {str(fields)[:200]}")

    def _send(self, frame: bytes) -> None:
        if not self._is_dead:
            self._channel.send(frame)

    # -- the end

    def _last_attempts(self) -> tuple[Key | None, dict[Key, int]]:
        """Return the attempt that a dead process was in; of a host process all, with slots."""
        serial, _ = self._page.running
        return self._keys.get(serial), {}

    def _has_said_why(self) -> bool:
        """Say whether the process has told better than we could why it died."""
        return False

    def _describe_exit(self, status: int) -> tuple[str, str]:
        """Return a sentence about the end of a process, and the name of the signal or ""."""
        return describe_exit(status)

    def _wait(self) -> int:
        self._has_dumped_core = platform.has_dumped_core(self._process)
        return self._process.wait()

    def _bury(self, status: int) -> Died:
        self._remove_outputs()
        running, ran = self._last_attempts()
        sentence, signal_name = self._describe_exit(status)
        if self._kill_reason and not self._has_said_why():
            sentence, signal_name = self._kill_reason, ""
        reason = Reason(
            text=sentence,
            output=read_tail(self._output, self._page.output_mark),
            signal=signal_name,
        )
        lost = tuple(key for key in self._keys.values() if key != running and key not in ran)
        self._keys.clear()
        self._release()
        return Died(reason, running, lost, ran)

    def _remove_outputs(self) -> None:
        """Remove files of large outputs that were written, or begun, and never reported."""
        if self._exchange_folder:
            for serial in self._keys:
                with contextlib.suppress(OSError):
                    Path(self._exchange_folder, frames.output_name(serial, self.pid)).unlink()

    def _release(self) -> None:
        self._is_dead = True
        self._channel.close_bell()
        self._page.close()
        os.close(self._output)
        self._forget_files()

    def _forget_files(self) -> None:
        """Remove the names of its files, as soon as the system allows it for open ones."""
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink()
