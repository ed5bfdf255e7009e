"""At the door of an agent or coordinator: who has started you, and why you may not come in."""

from __future__ import annotations

from typing import Literal

from hxgrid.wire.messages.parts import Document, Nonce, Protocol, Text


class Challenge(Document):
    """60, to an agent or coordinator without keys, since 1.1: prove who has started you."""

    number: Literal[60] = 60
    protocol: Protocol = Protocol()
    nonce: Nonce
    """Of the asker, new for each connection."""


class ChallengeAnswer(Document):
    """61, answer to `Challenge`, since 1.1: the proof (see `hxgrid.transport.proof`)."""

    number: Literal[61] = 61
    protocol: Protocol = Protocol()
    nonce: Nonce
    """Of the program that listens, new at each of its starts."""
    proof: Nonce


class Proof(Document):
    """What an asker shows in its first message, after it has got the right `ChallengeAnswer`."""

    nonce: Nonce
    """The one of its `Challenge`."""
    proof: Nonce


class Refusal(Document):
    """35, agent or coordinator to anybody: the door is closed, and why."""

    number: Literal[35] = 35
    protocol: Protocol = Protocol()
    code: Literal["protocol", "token", "busy", "draining", "role", "malformed"]
    text: Text
