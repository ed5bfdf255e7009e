"""Every default, unit, range and reason, once; and where each value in force came from.

    loaded = load_agent_settings(config=path, arguments={"slots": 2})
    loaded.settings.slots            # 2
    loaded.origins["slots"]          # argument

The layers, lowest to highest: default, the system's folder, the user's folder, `hxgrid.toml` in the
working directory (user programs only), the environment, the file given with `--config`, arguments.
No other room reads settings from anywhere: it gets one of these models.
"""

from __future__ import annotations

from hxgrid.settings.addresses import split_address
from hxgrid.settings.layers import (
    Loaded,
    Origin,
    load_agent_settings,
    load_coordinator_settings,
    load_user_settings,
    stray_variables,
)
from hxgrid.settings.models import (
    SECTIONS,
    AgentSettings,
    CoordinatorSettings,
    ProgramSettings,
    UserSettings,
)
from hxgrid.settings.original import ImportedSettings, import_original, to_toml
from hxgrid.settings.sources import Places

__all__ = [
    "AgentSettings",
    "CoordinatorSettings",
    "ImportedSettings",
    "Loaded",
    "Origin",
    "Places",
    "ProgramSettings",
    "SECTIONS",
    "UserSettings",
    "import_original",
    "load_agent_settings",
    "load_coordinator_settings",
    "load_user_settings",
    "split_address",
    "stray_variables",
    "to_toml",
]
