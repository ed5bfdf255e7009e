"""The version of the protocol, and the rule by which two programs agree to talk."""

from __future__ import annotations

PROTOCOL_MAJOR = 1
"""Changes when old and new programs can no longer understand each other; a peer of another
major version is refused with a message that names both."""

PROTOCOL_MINOR = 2
"""Changes when something is added that an older program may ignore. 1.1: `Challenge` and `Proof`
in place of the loopback token; only grids without keys that trust no network notice. 1.2:
`BlobDone`, without which a user sends on what an agent has given up."""


def is_compatible(major: int) -> bool:
    """Say whether a peer that speaks ``major`` can be talked to."""
    return major == PROTOCOL_MAJOR


def mismatch_text(what: str, major: int, minor: int) -> str:
    """Explain a refused peer: both versions, and what to do."""
    return (
        f"{what} speaks protocol {major}.{minor}, this program speaks "
        f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}; install the same hxgrid version on both computers"
    )
