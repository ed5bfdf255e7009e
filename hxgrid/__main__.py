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
    _end_quietly(status)
    return status


def _end_quietly(status: int) -> None:
    """Let one more Ctrl-C change neither words nor status: whatever had to be done is done."""
    import signal

    # Only what is ignored stays so until the very end of the interpreter.
    is_ending = status == 130
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_ending else lambda *_: os._exit(130))


if __name__ == "__main__":
    sys.exit(main())
