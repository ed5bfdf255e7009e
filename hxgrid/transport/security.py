"""Who may connect: key pairs, the allow-list, the loopback token.

Three situations, told apart by `Security`:

* **Keys.** Every connection is CURVE in both directions; whoever binds has the list of public keys
  that may connect, and it is asked before a single message gets through (`hxgrid.transport.zap`).
* **Loopback** (no keys). Programs bind 127.0.0.1 only, and both ends of each connection prove
  that they know a token from a file that only its owner can read (`hxgrid.transport.proof`): other
  people on the same computer stay out, and learn nothing by listening where we connect.
* **Trusted network** (no keys, `trust_network`). Everybody on the LAN is let in, as it always
  was with the original.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import platformdirs
import zmq

from hxgrid.errors import ConfigError, StoreError
from hxgrid.transport.proof import NONCE_BYTES, Asker, Doorkeeper, Prover, endpoint_of
from hxgrid.transport.system import is_private_file, write_private_file

if TYPE_CHECKING:
    from hxgrid.settings import ProgramSettings

ZAP_DOMAIN = b"hxgrid"
"""Under this name the sockets that we bind are guarded; one of another name is not ours."""

_TOKEN_BYTES = 32

NEIGHBOUR = "neighbour"
"""Role of an agent whose key a session's user has announced."""


class KeyPair(NamedTuple):
    """A CURVE key pair in z85, 40 characters each. The secret half is never shown."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def make_keypair() -> KeyPair:
    """Return a new key pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


class AllowList:
    """The public keys that may connect, each with its role. Changed only by the loop's thread."""

    def __init__(self, keys: Mapping[str, str] | Iterable[str] = ()) -> None:
        self._roles: dict[str, str] = {}
        self.replace(keys)

    def replace(self, keys: Mapping[str, str] | Iterable[str]) -> None:
        """Let in exactly these from now on; plain keys have the role "user".

        Connections that exist are not ended by it; new ones are judged by the new list.
        """
        self._roles = dict(keys) if isinstance(keys, Mapping) else dict.fromkeys(keys, "user")

    def allow(self, public_key: str, role: str = "user") -> None:
        """Let one more in."""
        self._roles[public_key] = role

    def let_neighbour_in(self, public_key: str) -> None:
        """Let an agent in that may do nothing but fetch blobs, unless it is known already."""
        self._roles.setdefault(public_key, NEIGHBOUR)

    def forbid_neighbour(self, public_key: str) -> None:
        """Take `let_neighbour_in` back; a key that is known otherwise stays."""
        if self._roles.get(public_key) == NEIGHBOUR:
            del self._roles[public_key]

    def role_of(self, public_key: str) -> str | None:
        """Return the role that goes with a key; None if it may not connect."""
        return self._roles.get(public_key)

    def __contains__(self, public_key: str) -> bool:
        return public_key in self._roles

    def __len__(self) -> int:
        return len(self._roles)


class Security:
    """What a program knows about keys and trust; given to the socket factory."""

    def __init__(
        self,
        *,
        keys: KeyPair | None = None,
        server_keys: Mapping[tuple[str, int], str] | None = None,
        allowed: AllowList | None = None,
        trust_network: bool = False,
        token: str = "",
    ) -> None:
        self.keys = keys
        self.server_keys = dict(server_keys or {})
        """Public keys of servers by (host, port), for addresses that came without one."""
        self.allowed = allowed if allowed is not None else AllowList()
        self.trust_network = trust_network
        self.token = token
        """What both ends of a connection prove to know; never sent. Empty unless `needs_proof`."""

    @classmethod
    def from_settings(
        cls, settings: ProgramSettings, *, token_folder: Path | None = None
    ) -> Security:
        """Make it from settings; reads (or makes) the loopback token where one is needed."""
        public_key, secret_key = settings.public_key, settings.secret_key.get_secret_value()
        if bool(public_key) != bool(secret_key):
            raise ConfigError(
                "public_key and secret_key belong together, but only one is set",
                advice="Set both, or neither.",
            )
        keys = KeyPair(public_key, secret_key) if public_key else None
        is_trusting = settings.trust_network
        token = "" if keys or is_trusting else token_for(token_folder)
        allowed = AllowList(settings.allowed_keys)
        return cls(keys=keys, allowed=allowed, trust_network=is_trusting, token=token)

    @property
    def needs_proof(self) -> bool:
        """Whether both ends of each connection must prove that they know the loopback token."""
        return self.is_loopback_only

    @property
    def is_loopback_only(self) -> bool:
        """Whether nothing but loopback may be bound."""
        return self.keys is None and not self.trust_network

    def asker(self, role: str, host: str, port: int) -> Asker:
        """Return what one new connection to this address begins with; only if `needs_proof`."""
        return Asker(self._secret(), role, _new_nonce(), endpoint_of(host, port))

    def doorkeeper(self, role: str, what: str, host: str, port: int) -> Doorkeeper:
        """Return what judges first messages at the address that was bound; `what` is for people."""
        if not self.needs_proof:
            return Doorkeeper(what, None)
        endpoint = endpoint_of(host, port)
        return Doorkeeper(what, Prover(self._secret(), role, _new_nonce(), endpoint))

    def _secret(self) -> str:
        if not self.token:
            raise ConfigError(
                "there is no loopback token",
                advice="Make Security with from_settings(), which reads it.",
            )
        return self.token


def _new_nonce() -> str:
    return secrets.token_hex(NONCE_BYTES)


def token_for(folder: Path | None = None) -> str:
    """Return this person's loopback token, made at its first use.

    The file is readable by its owner alone; one that others can read is refused (ConfigError).
    """
    folder = folder if folder is not None else Path(platformdirs.user_state_dir("hxgrid", False))
    path = folder / "loopback-token"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_private_file(path, secrets.token_hex(_TOKEN_BYTES))
        if not is_private_file(path):
            raise ConfigError(
                "the loopback token is another person's, or others can read it",
                where=str(path),
                advice="If it is yours, delete it: a new one is made at the next start. If it is "
                "not, this program runs with somebody else's home folder.",
            )
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise StoreError(
            "cannot read or make the loopback token",
            where=str(path),
            why=error.strerror or str(error),
            advice="Make that folder one that you can write to.",
        ) from error
