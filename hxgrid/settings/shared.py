"""What the settings of several programs have in common, and the rules for all of them.

Units are in the names: `_s` seconds, `_bytes`, `_count`. A model is frozen; `with_changes` makes
a new one. Where a default is this computer's own (memory, folders) it is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from hxgrid.settings import fields as f
from hxgrid.settings.complaints import from_validation


class ProgramSettings(BaseModel):
    """What all three programs have."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: f.OptionalText = Field(
        None,
        description="Name of the grid; several grids on one LAN are told apart by it. None: a "
        "coordinator has the name of its computer, agents and users take the only "
        "grid that answers.",
    )
    trust_network: bool = Field(
        False,
        description="Use the LAN without keys, as the original did: whoever reaches the ports may "
        "run programs here. Without it and without keys everything stays on loopback.",
    )
    public_key: f.PublicKey = Field(
        "", description="This program's public key (CURVE, 40 characters)."
    )
    secret_key: f.SecretKey = Field(
        SecretStr(""), description="The secret half of `public_key`; never shown and never logged."
    )
    allowed_keys: f.PublicKeys = Field(
        (),
        description="Public keys that may connect to this program; empty with keys set means "
        "nobody.",
    )
    heartbeat_s: f.Seconds = Field(
        0.5,
        description="A peer that is otherwise silent is sent a sign of life this often. A third "
        "of `suspect_after_s`, so that one lost sign proves nothing.",
    )
    suspect_after_s: f.Seconds = Field(
        1.5,
        description="A peer silent for this long is suspected: copies of its tasks may start "
        "elsewhere, its late results still count.",
    )
    lost_after_s: f.Seconds = Field(
        10.0, description="A peer silent for this long is lost, and its attempts with it."
    )
    max_message_bytes: int = Field(
        2 * f.MIB,
        ge=2 * f.MIB,
        le=f.GIB,
        description="A frame that claims to be larger ends its connection unread. Bulk data "
        "travels in chunks of at most 1 MiB, so the default leaves room.",
    )
    max_connections: int = Field(
        1024,
        ge=1,
        le=100_000,
        description="Connections that this program holds at once; each costs a file descriptor.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important lines that are written."
    )
    log_file: f.Folder = Field(
        None, description="File for the log, besides standard error; the folder is made if need be."
    )
    log_file_max_bytes: f.LogBytes = Field(
        5_000_000, description="A log file of this size is closed and a new one begun."
    )
    log_file_count: int = Field(
        3, ge=2, le=100, description="Log files kept; the oldest goes, so that logs stay bounded."
    )

    _places: Mapping[str, str] = PrivateAttr(default_factory=dict)  # of keys that were read

    def with_changes(self, **changes: Any) -> Self:
        """Return a copy with `changes` made; ConfigError says which is wrong and why."""
        values = {name: getattr(self, name) for name in self.model_fields_set}
        try:
            changed = type(self).model_validate({**values, **changes})
        except ValidationError as error:
            raise from_validation(
                type(self), error, place=lambda _key: "changed settings"
            ) from None
        kept = {key: place for key, place in self._places.items() if key not in changes}
        return changed.with_places(kept)

    def with_places(self, places: Mapping[str, str]) -> Self:
        """Return the same settings, which remember where some of them were read."""
        copy = self.model_copy()
        copy._places = dict(places)  # noqa: SLF001 - it is one of us
        return copy

    def place_of(self, key: str) -> str:
        """Say where a value was read, for messages; nothing for defaults and a program's own."""
        return self._places.get(key, "")

    @model_validator(mode="after")
    def _check_liveness(self) -> Self:
        if not self.heartbeat_s < self.suspect_after_s < self.lost_after_s:
            raise ValueError(
                "heartbeat_s, suspect_after_s and lost_after_s must rise in this order, but are "
                f"{self.heartbeat_s:g}, {self.suspect_after_s:g}, {self.lost_after_s:g}"
            )
        return self


class SeekerSettings(ProgramSettings):
    """What the two programs have that look for a coordinator."""

    coordinator: f.Address = Field(
        "",
        description="HOST[:PORT] of the coordinator; empty: found by broadcast on the LAN.",
    )
    allow_discard_coordinator: bool = Field(
        True,
        description="If the coordinator cannot be reached, look for another by broadcast. Off "
        "with an address: only that one, for ever (fixed addresses, networks without "
        "broadcast). Off without: search once and keep what was found until the "
        "program ends.",
    )
    coordinator_key: f.PublicKey = Field(
        "", description="The coordinator's public key; whoever cannot show it is not believed."
    )
    beacon_port: f.Port = Field(
        4105, description="UDP port on which coordinators answer who looks for them."
    )
    session_lease_s: f.LeaseSeconds = Field(
        10.0,
        description="A session that has not been heard of for this long has ended: its tasks are "
        "stopped and its files removed.",
    )
    cancel_grace_s: f.GraceSeconds = Field(
        0.5,
        description="Time for a cancelled task to notice and return by itself; then its process "
        "is ended.",
    )
