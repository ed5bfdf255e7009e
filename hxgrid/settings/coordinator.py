"""The section [coordinator]: default, range and reason of each setting."""

from __future__ import annotations

from pydantic import Field

from hxgrid.settings import fields as f
from hxgrid.settings.shared import ProgramSettings


class CoordinatorSettings(ProgramSettings):
    """The section [coordinator]."""

    bind: f.BindAddress = Field(
        "",
        description="Address of the network card to listen on. Empty: all of them with keys or "
        "`trust_network`, otherwise loopback.",
    )
    port: f.PortOrFree = Field(4100, description="TCP port to listen on; 0 takes any free one.")
    beacon_port: f.Port = Field(
        4105, description="UDP port on which questions for the coordinator are answered."
    )
    max_connections: int = Field(
        16_384, ge=1, le=100_000, description="Agents and users connected at once."
    )
    registry_lease_s: f.Seconds = Field(
        10.0, description="An agent that has not reported for this long leaves the roster."
    )
