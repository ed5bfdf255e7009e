"""How an agent shows a neighbour that it belongs to a session, without showing its ticket.

Nobody knows who answers at an address before he has answered. So the ticket stays here, and what is
sent proves that it is known: a keyed hash over who is asked, for what, and from where on. Whoever
hears it may repeat it, to the same agent, for the same blob, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac


def prove(ticket: str, neighbour: str, digest: str, offset: int) -> str:
    """Return the proof for asking the agent `neighbour` (boot id) for a blob from `offset` on."""
    claim = f"hxgrid blob {neighbour} {digest} {offset}"
    return hmac.new(bytes.fromhex(ticket), claim.encode(), hashlib.sha256).hexdigest()


def is_proven(proof: str, ticket: str, neighbour: str, digest: str, offset: int) -> bool:
    """Tell whether a proof is right; takes the same time for every wrong one."""
    return hmac.compare_digest(proof, prove(ticket, neighbour, digest, offset))
