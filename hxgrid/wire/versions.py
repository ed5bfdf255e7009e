"""The version of the protocol, and the rule by which two programs agree to talk."""

from __future__ import annotations

PROTOCOL_MAJOR = 2
"""Changes when old and new programs can no longer understand each other; a peer of another
major version is refused with a message that names both. 2: batches of attempts and results are one
frame each, records and small payloads together."""

PROTOCOL_MINOR = 0
"""Changes when something is added that an older program may ignore."""


def is_compatible(major: int) -> bool:
    """Say whether a peer that speaks ``major`` can be talked to."""
    return major == PROTOCOL_MAJOR


def mismatch_text(what: str, major: int, minor: int) -> str:
    """Explain a refused peer: both versions, and what to do."""
    return (
        f"{what} speaks protocol {major}.{minor}, this program speaks "
        f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}; install the same hxgrid version on both computers"
    )
