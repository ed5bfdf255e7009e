"""What differs between operating systems, chosen once: `posix.py` or `windows.py`."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from hxgrid.transport.windows import (
        LOOPBACK_BEACON_HOST,
        hang_up,
        is_private_file,
        prepare_beacon_socket,
        prepare_question_socket,
        raise_handle_limit,
        received_bytes,
        write_private_file,
    )
else:
    from hxgrid.transport.posix import (
        LOOPBACK_BEACON_HOST,
        hang_up,
        is_private_file,
        prepare_beacon_socket,
        prepare_question_socket,
        raise_handle_limit,
        received_bytes,
        write_private_file,
    )

__all__ = [
    "LOOPBACK_BEACON_HOST",
    "hang_up",
    "is_private_file",
    "prepare_beacon_socket",
    "prepare_question_socket",
    "raise_handle_limit",
    "received_bytes",
    "write_private_file",
]
