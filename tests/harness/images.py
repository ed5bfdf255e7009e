"""Shared libraries of few bytes: heads that say what a loader would want, and no code."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
_PE_MACHINES = {"x86_64": 0x8664, "x86": 0x14C}


def elf(*needed: str, machine: str = "x86_64") -> bytes:
    """Make a 64-bit ELF file that needs these libraries."""
    strings, offsets = _strings(needed)
    dynamic_at = 64 + 2 * 56
    entries = [(1, offset) for offset in offsets]
    strings_at = dynamic_at + 16 * (len(entries) + 2)
    entries += [(5, 0x1000 + strings_at), (0, 0)]
    total = strings_at + len(strings)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        3,
        _ELF_MACHINES[machine],
        *(1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0),
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x1000, 0x1000, total, total, 0x1000)
    size = 16 * len(entries)
    at = 0x1000 + dynamic_at
    dynamic = struct.pack("<IIQQQQQQ", 2, 6, dynamic_at, at, at, size, size, 8)
    return head + load + dynamic + b"".join(struct.pack("<QQ", *each) for each in entries) + strings


def pe(*needed: str, machine: str = "x86_64") -> bytes:
    """Make a Windows DLL that needs these libraries."""
    strings, offsets = _strings(needed)
    start, file_at = 0x1000, 0x200
    table_bytes = 20 * (len(needed) + 1)
    names_at = start + table_bytes
    table = b"".join(struct.pack("<IIIII", 0, 0, 0, names_at + each, 0) for each in offsets)
    section = table + bytes(20) + strings
    is_wide = machine != "x86"
    optional = struct.pack("<H", 0x20B if is_wide else 0x10B)
    optional = optional.ljust(112 if is_wide else 96, b"\0")
    optional += struct.pack("<IIII", 0, 0, start, table_bytes)
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", _PE_MACHINES[machine], 1, 0, 0, 0, len(optional), 0)
    head += optional
    head += struct.pack("<8sIIII16x", b".idata", len(section), start, len(section), file_at)
    return head.ljust(file_at, b"\0") + section


def _strings(names: Sequence[str]) -> tuple[bytes, list[int]]:
    data, offsets = b"\0", []
    for name in names:
        offsets.append(len(data))
        data += name.encode() + b"\0"
    return data, offsets
