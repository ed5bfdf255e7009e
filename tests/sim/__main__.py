"""New seeds for so many minutes: `python -m tests.sim --minutes 10 [--first SEED]`.

Prints each seed that fails with its schedule, and a line of JSON with the count at the end. What
long runs have found is written up in `docs/reliability.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback

from tests.sim.realagent import RealAgent
from tests.sim.test_schedules import run_seed


def main() -> int:
    """Run seeds until the time is over; exit status 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--first", type=int, default=int(time.time()) * 1000)
    options = parser.parse_args()
    ends_at = time.monotonic() + options.minutes * 60
    seed, failed = options.first, []
    while time.monotonic() < ends_at:
        try:
            run_seed(seed, RealAgent)
        except AssertionError:
            failed.append(seed)
            traceback.print_exc()
        seed += 1
    count = seed - options.first
    print(json.dumps({"first_seed": options.first, "seeds": count, "failed": failed}))  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
