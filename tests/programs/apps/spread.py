"""Have agents read the same global data: `spread.py TASK AGENTS BYTES`; prints one JSON object."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import threading
import time

import hxgrid


def main(task: str, agents: int, size: int) -> None:
    """Wait for the agents, have each of them read it, tell how long and how much of it was ours."""
    content = random.Random(size).randbytes(size)
    with hxgrid.connect(trust_network=True, timeout=60.0) as session:
        while session.connection_status.connected_agents < agents:
            threading.Event().wait(0.05)
        # A copy would spare its agent's neighbour the reading.
        session.update_settings(send_duplicate_tasks=False)
        session.bind_get_data(lambda _name: content)
        began = time.monotonic()
        tasks = [session.run_task(task, "digest", b"data") for _ in range(agents)]
        session.wait_for_completion()
        took_s = time.monotonic() - began
        wanted = hashlib.sha256(content).hexdigest()
        right = all(
            each is not None and each.result().getvalue().decode() == wanted for each in tasks
        )
        links = session._engine.driver.links.values()
        sent = sum(link.taken_bytes for link in links)
    sys.stdout.write(json.dumps({"right": right, "took_s": took_s, "sent": sent}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
