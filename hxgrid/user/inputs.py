"""What an input is made into before it is submitted, in the caller's thread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hxgrid.errors import ConfigError
from hxgrid.streams import Stream
from hxgrid.streams.buffers import flat_view
from hxgrid.streams.compression import pack
from hxgrid.user.core.requirements import Requirements
from hxgrid.wire.batches import Buffer
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag

_COMPRESSED = int(AttemptFlag.COMPRESSED)


def prepare(given: Stream | Buffer, threshold: int) -> tuple[Buffer, int, int, int]:
    """Return an input as it travels: payload, its size, its size expanded, flags."""
    if isinstance(given, Stream):
        view = given.getbuffer()
        if given.is_compressed:
            return view, len(view), given.raw_size, _COMPRESSED
    elif type(given) is bytes:
        view = memoryview(given)
    else:
        # The owner of a mutable buffer may change it any time.
        view = memoryview(bytes(flat_view(given)))
    raw = len(view)
    packed, is_compressed = pack(view, threshold)
    if is_compressed:
        return memoryview(packed), memoryview(packed).nbytes, raw, _COMPRESSED
    if raw <= SMALL_PAYLOAD_BYTES:
        return bytes(view), raw, raw, 0
    return view, raw, raw, 0


def requirements_for(
    given: Requirements | Mapping[str, Any], offered: Requirements | None
) -> Requirements:
    """Return what a task requires, with the platforms that its module set has files for."""
    required = Requirements.of(given)
    if offered is not None and not required.platforms:
        return replace(required, platforms=offered.platforms)
    return required


def check_cost(cost: object) -> None:
    """Raise `ConfigError` if this cannot be what a task costs."""
    if not isinstance(cost, int | float) or not 0.0 < cost < math.inf:
        raise ConfigError(f"cost must be a positive number, not {cost!r}")


def check_data_name(name: object) -> str:
    """Return a name of global data. Raises `TypeError` if it is no text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of global data is a text, not {name!r:.200}")
    return name
