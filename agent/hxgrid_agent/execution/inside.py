"""The one place that chooses between the files of the operating systems inside a task process."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from hxgrid_agent.execution.etiquette_windows import (
        be_unobtrusive,
        end_with_parent,
        flush_native,
    )
    from hxgrid_agent.execution.inherit_windows import inherited_sockets
elif sys.platform == "linux":
    from hxgrid_agent.execution.etiquette_linux import (
        be_unobtrusive,
        end_with_parent,
        flush_native,
    )
    from hxgrid_agent.execution.inherit_posix import inherited_sockets
else:
    from hxgrid_agent.execution.etiquette_posix import (
        be_unobtrusive,
        end_with_parent,
        flush_native,
    )
    from hxgrid_agent.execution.inherit_posix import inherited_sockets

__all__ = ["be_unobtrusive", "end_with_parent", "flush_native", "inherited_sockets"]
