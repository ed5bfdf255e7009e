"""The one place that chooses between the files of the operating systems."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from hxgrid_agent.execution.spawn_windows import has_dumped_core, has_exited, socket_pair, spawn
else:
    from hxgrid_agent.execution.spawn_posix import has_dumped_core, has_exited, socket_pair, spawn

if sys.platform == "linux":
    from hxgrid_agent.execution.tree_linux import (
        MARK,
        continue_tree,
        cpu_seconds,
        hasten,
        is_stopped,
        kill_tree,
        stop_tree,
    )
else:
    from hxgrid_agent.execution.tree_walking import (
        MARK,
        continue_tree,
        cpu_seconds,
        hasten,
        is_stopped,
        stop_tree,
    )

    if sys.platform == "win32":
        from hxgrid_agent.execution.tree_windows import kill_tree
    else:
        from hxgrid_agent.execution.tree_psutil import kill_tree

__all__ = [
    "MARK",
    "continue_tree",
    "cpu_seconds",
    "hasten",
    "has_dumped_core",
    "has_exited",
    "is_stopped",
    "kill_tree",
    "socket_pair",
    "spawn",
    "stop_tree",
]
