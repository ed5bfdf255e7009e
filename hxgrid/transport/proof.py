"""How two programs of one person prove to each other, without keys, that they are that. Pure.

On loopback every person of a computer can bind a port and connect to one, so both ends of a
connection prove that they have read the token (a secret in a file that only its owner can read).
The token itself never travels::

    client -> server   Challenge(nonce of the client, fresh for each connection)
    server -> client   Answer(nonce of the server, HMAC(token, "server", role, nonces, endpoint))
    client -> server   the first real message, with HMAC(token, "client", role, nonces, endpoint)

`endpoint` is the address and port that the server has bound, and that the client has dialled. Each
end takes its own: that is what a relay fails at. One that listens at another address or port gets a
proof that is good for the port of the real server, not for its own; and no two persons' programs
can listen at the same one. The client's nonce is new for each connection, so an old answer is worth
nothing; the server's is new for each start, so an old proof of a client is not either.

A connection that ends takes its proof along. A client must not let anybody (libzmq!) connect again
behind its back: whoever has taken the port meanwhile would be sent what was meant for the server.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import Final

from hxgrid.errors import AuthenticationError
from hxgrid.wire.messages import Challenge, ChallengeAnswer, Proof, Refusal

NONCE_BYTES: Final = 32

_SERVER: Final = "hxgrid server"
_CLIENT: Final = "hxgrid client"

NOT_THE_OWNER: Final = (
    "without keys only programs of the same person may connect, which prove that they can read "
    "that person's loopback token; to let others in, start all programs with --trust-network"
)
TRUSTS_NETWORK: Final = (
    "it was started with --trust-network and proves nothing; start coordinator, agents and users "
    "with --trust-network, or all of them without"
)


def endpoint_of(host: str, port: int) -> str:
    """Spell an address and port as both ends do: numbers only, IPv4 inside IPv6 as IPv4.

    AuthenticationError for a name: what it means is somebody else's word.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise AuthenticationError(
            f"{host!r} is a name, and only a number can be proved", advice="Use 127.0.0.1."
        ) from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"{mapped or address}|{port}"


class Prover:
    """The server's end: answers challenges, and judges what clients show."""

    def __init__(self, token: str, role: str, nonce: str, endpoint: str) -> None:
        self._token = token
        self._role = role
        self._nonce = nonce
        self._endpoint = endpoint

    def answer(self, challenge: Challenge) -> ChallengeAnswer:
        """Prove to a client that we have the token and listen where we say."""
        proof = _mac(self._token, _SERVER, self._role, challenge.nonce, self._nonce, self._endpoint)
        return ChallengeAnswer(nonce=self._nonce, proof=proof)

    def is_proved(self, proof: Proof | None) -> bool:
        """Tell whether a client has the token; takes the same time for every wrong proof."""
        if proof is None:
            return False
        wanted = _mac(self._token, _CLIENT, self._role, proof.nonce, self._nonce, self._endpoint)
        return hmac.compare_digest(wanted, proof.proof)


class Doorkeeper:
    """What a server asks about first messages, whichever way it is protected."""

    def __init__(self, what: str, prover: Prover | None) -> None:
        self._what = what
        self._prover = prover  # None: keys decide, or the network is trusted

    def answer(self, challenge: Challenge) -> ChallengeAnswer | Refusal:
        """Answer a challenge."""
        if self._prover is None:
            return Refusal(code="token", text=f"{self._what}: {TRUSTS_NETWORK}")
        return self._prover.answer(challenge)

    def refusal(self, proof: Proof | None) -> Refusal | None:
        """Say why a first message with this proof is not taken; None: it is."""
        if self._prover is None or self._prover.is_proved(proof):
            return None
        return Refusal(code="token", text=f"{self._what}: {NOT_THE_OWNER}")


class Asker:
    """The client's end of one connection. A new connection needs a new one, with a new nonce."""

    def __init__(self, token: str, role: str, nonce: str, endpoint: str) -> None:
        self.challenge = Challenge(nonce=nonce)
        self._token = token
        self._role = role
        self._nonce = nonce
        self._endpoint = endpoint

    def check(self, answer: ChallengeAnswer) -> Proof:
        """Judge the server's proof and return our own; AuthenticationError if it is wrong."""
        names = (self._role, self._nonce, answer.nonce, self._endpoint)
        if not hmac.compare_digest(_mac(self._token, _SERVER, *names), answer.proof):
            raise AuthenticationError(
                f"the {self._role} at this address is not one that you have started",
                where=self._endpoint.replace("|", " port "),
                why="it cannot prove that it knows your loopback token at this address and port",
                advice="Another person's program may have taken the port; choose another one.",
            )
        return Proof(nonce=self._nonce, proof=_mac(self._token, _CLIENT, *names))


def _mac(token: str, *parts: str) -> str:
    # Each part with its length: no two lists of parts give the same text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()
