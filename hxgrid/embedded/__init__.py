"""An embedded grid: real agent processes that belong to one application and end with it.

    grid = EmbeddedGrid(agents=2, slots=1)
    entries = grid.start()                      # as a coordinator's roster would show them
    security = Security(keys=grid.user_keys)    # each entry names its agent's public key
    ...
    grid.close()

Each agent is started as `python -m hxgrid agent --embedded` and gets one line of JSON on its
standard input: its settings, the keys made for this grid among them, so that no secret is ever in a
command line or in the environment. It answers with one line: its `RosterEntry`, or what is wrong.
There is no coordinator, no UDP, and nothing but loopback.

The line stays open as long as the grid lives. When it closes, because of `close` or because the
application has ended, however it has ended, the agent ends and takes its task processes with it
(`bond` tells of the awkward cases).

What the agents keep on disk is below one temporary folder, removed at the end. A killed application
cannot do that: its folder is found by the next grid on this computer, which knows by the lock on
the file `owner` that nobody uses it any more.
"""

from __future__ import annotations

from hxgrid.embedded.grid import EmbeddedGrid

__all__ = ["EmbeddedGrid"]
