"""The settings of the three programs, by the section of a settings file that holds them."""

from __future__ import annotations

from hxgrid.settings.agent import AgentSettings
from hxgrid.settings.coordinator import CoordinatorSettings
from hxgrid.settings.shared import ProgramSettings, SeekerSettings
from hxgrid.settings.user import UserSettings

SECTIONS: dict[str, type[ProgramSettings]] = {
    "coordinator": CoordinatorSettings,
    "agent": AgentSettings,
    "user": UserSettings,
}
"""The sections of a settings file, by name."""

__all__ = [
    "SECTIONS",
    "AgentSettings",
    "CoordinatorSettings",
    "ProgramSettings",
    "SeekerSettings",
    "UserSettings",
]
