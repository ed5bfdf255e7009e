"""The attempts that one task process holds, by the serials under which it knows them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from hxgrid.tasks.page import RING, flag_of
from hxgrid.wire.batches import Key
from hxgrid_agent.execution.frames import FrameError


class HeldAttempts:
    """Gives serials and finds attempts by them. See `hxgrid.tasks.page` for what serials are."""

    def __init__(self) -> None:
        self.keys: dict[int, Key] = {}
        """By serial, in the order in which the process runs them."""
        self._next_serial = 1

    def serials_of(self, keys: Iterable[Key]) -> list[int]:
        """Return the serials of those of these that it holds; rare, so no table is kept for it."""
        held = {key: serial for serial, key in self.keys.items()}
        return [held[key] for key in keys if key in held]

    def take_out(self, serials: Iterable[int]) -> list[Key]:
        """Forget attempts and return them; `FrameError` if one is not held."""
        keys = []
        for serial in serials:
            key = self.keys.pop(serial, None)
            if key is None:
                raise FrameError(f"attempt {serial} was given back, which it does not hold")
            keys.append(key)
        return keys

    def new_serials(self, count: int) -> Sequence[int]:
        """Return serials whose flags in the page nobody uses; rising, mostly one by one."""
        keys, first = self.keys, self._next_serial
        if len(keys) + count > RING:
            raise ValueError(f"a task process cannot hold {len(keys) + count} attempts, see `room`")
        serials: Sequence[int] = range(first, first + count)
        if keys and first + count - next(iter(keys)) > RING:
            # A long attempt has seen thousands come and go: step over its flag.
            taken = {flag_of(serial) for serial in keys}
            free = (serial for serial in itertools.count(first) if flag_of(serial) not in taken)
            serials = list(itertools.islice(free, count))
        self._next_serial = serials[-1] + 1 if serials else first
        return serials
