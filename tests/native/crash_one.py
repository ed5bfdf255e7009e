"""Runs attempts in a process of its own until one ends it, and leaves the page in a file.

    python -m tests.native.crash_one PAGE MODULE FUNCTION [BYSTANDERS]

The bystanders run until they are stopped; the culprit has serial 77.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

from tests.harness.wait import wait_until
from tests.native.driver import Driver, open_library

CULPRIT = 77


def main() -> None:
    """Start the bystanders, then the culprit, and wait for the end."""
    page_path, module, function = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    bystanders = sys.argv[4:]
    lib = open_library()
    page_path.write_bytes(bytes(lib.HXG_PAGE_BYTES))
    with page_path.open("r+b") as file:
        page = mmap.mmap(file.fileno(), 0)
    driver = Driver(threads=1 + len(bystanders), library=lib, watch_crashes=True, page=page)
    driver.offer(1, module, function)
    for number, other in enumerate(bystanders, 2):
        driver.offer(number, module, other)
        driver.run(number, number)
    wait_until(lambda: len(driver.running()) == len(bystanders), 20, "the bystanders to run")
    driver.run(CULPRIT, 1)
    driver.pump(lambda: CULPRIT in driver.results)


if __name__ == "__main__":
    main()
