"""`python -m hxgrid`: the command line, and the task processes of an agent.

A task process must start fast and stay small, so it is told apart before anything is imported.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run what the first argument names; return the exit status."""
    if sys.argv[1:2] == ["slot"]:
        from hxgrid_agent.execution.child import main as slot_main

        return slot_main(sys.argv[2:])
    if sys.argv[1:2] == ["host"]:
        from hxgrid_agent.execution.host import main as host_main

        return host_main(sys.argv[2:])
    try:
        from hxgrid.cli.main import main as command_main

        status = int(command_main() or 0)
    except KeyboardInterrupt:  # while modules were still being imported
        status = 130
    _end_quietly()
    return status


def _end_quietly() -> None:
    """Let one more Ctrl-C end the program at once: whatever had to be done is done."""
    import signal

    signal.signal(signal.SIGINT, lambda *_: os._exit(130))


if __name__ == "__main__":
    sys.exit(main())
