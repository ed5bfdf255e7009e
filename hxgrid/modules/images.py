"""What shared libraries say of themselves: for which computers they are, and what they need.

ELF and PE files are read from their bytes, which may be anything: sizes and offsets are checked
against the file, loops are bounded, and whatever does not add up means "cannot be read". Of Mach-O
files only the kind of computer is read.

The list of needed libraries is for a warning before a job is sent off. Whether they are there, the
loader of the agent decides.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

SUFFIXES: Final = (".so", ".dll", ".dylib")

_MAX_ENTRIES = 4096
_MAX_NAME_BYTES = 512

_MACHINES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "i386": "x86",
    "i586": "x86",
    "i686": "x86",
    "arm64": "aarch64",
}
_ELF_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64", 21: "ppc64le"}
_PE_MACHINES = {0x14C: "x86", 0x8664: "x86_64", 0xAA64: "aarch64"}
_MACH_MACHINES = {0x01000007: "x86_64", 0x0100000C: "aarch64", 7: "x86"}

_ELF_SYSTEM = re.compile(
    r"(ld-linux.*|ld-musl.*|ld64|linux-vdso|libc\.musl.*"
    r"|lib(c|m|dl|rt|pthread|util|resolv|nsl|anl|gcc_s|stdc\+\+|atomic))(\.so.*)?"
)
_PE_SYSTEM_NAMES = """
advapi32 bcrypt comctl32 comdlg32 crypt32 gdi32 imm32 iphlpapi kernel32 kernelbase mpr msvcrt ncrypt
netapi32 ntdll ole32 oleaut32 powrprof psapi rpcrt4 secur32 setupapi shell32 shlwapi ucrtbase user32
userenv version wininet winmm winspool.drv ws2_32 wsock32
"""
_PE_SYSTEM = frozenset(_PE_SYSTEM_NAMES.split())


class Image(NamedTuple):
    """What is known of a shared library."""

    system: str
    """The `sys.platform` of the computers that it is for."""
    machine: str
    """Their processor, as `normal_machine` spells it; empty: several, or an unknown one."""
    needed: tuple[str, ...] = ()
    """Bare names of the libraries that must be there."""

    @property
    def platform(self) -> str:
        """The name of a platform, with its processor if there is but one."""
        return f"{self.system}-{self.machine}" if self.machine else self.system


def is_native(name: str) -> bool:
    """Say whether a file of this name is a shared library."""
    return name.lower().endswith(SUFFIXES) or ".so." in name


def normal_machine(name: str) -> str:
    """Spell a kind of processor in one way, whatever the system calls it."""
    lowered = name.lower()
    return _MACHINES.get(lowered, lowered)


def platform_names(system: str, machine: str) -> tuple[str, str]:
    """Return the names that a platform goes by: with its processor, and without."""
    return f"{system}-{normal_machine(machine)}", system


def read_image(data: bytes) -> Image | None:
    """Read the beginning of a file; None if it is no shared library that can be read."""
    try:
        if data[:4] == b"\x7fELF":
            return _read_elf(data)
        if data[:2] == b"MZ":
            return _read_pe(data)
        return _read_mach(data)
    except (struct.error, ValueError, IndexError, OverflowError):
        return None


def missing(images: Iterable[tuple[str, Image]]) -> list[tuple[str, str]]:
    """Return (file, library) for what files of one set need and neither it nor the system has."""
    images = list(images)
    there = {name.rpartition("/")[2].casefold() for name, _ in images}
    return [
        (name, library)
        for name, image in images
        for library in image.needed
        if library.casefold() not in there and not _is_of_system(image.system, library)
    ]


def _is_of_system(system: str, library: str) -> bool:
    if system == "win32":
        name = library.casefold().removesuffix(".dll")
        return name in _PE_SYSTEM or name.startswith(("api-ms-win-", "ext-ms-"))
    return _ELF_SYSTEM.fullmatch(library) is not None


def _name_at(data: bytes, start: int) -> str:
    end = data.index(b"\0", start, start + _MAX_NAME_BYTES)
    return data[start:end].decode("utf-8")


# ------------------------------------------------------------------ ELF


def _read_elf(data: bytes) -> Image:
    is_wide, is_little = data[4] == 2, data[5] == 1
    order = "<" if is_little else ">"
    (machine,) = struct.unpack_from(f"{order}H", data, 18)
    at, size, count = _elf_programs(data, order, is_wide)
    segments = [
        _elf_segment(data, order, is_wide, at + index * size)
        for index in range(min(count, _MAX_ENTRIES))
    ]
    needed: tuple[str, ...] = ()
    for kind, offset, _, length in segments:
        if kind == 2:  # PT_DYNAMIC
            needed = _elf_needed(data, order, is_wide, offset, length, segments)
    name = _ELF_MACHINES.get(machine, "")
    return Image("linux", name, needed)


def _elf_programs(data: bytes, order: str, is_wide: bool) -> tuple[int, int, int]:
    """Return where the program headers are, and size and number of them."""
    if is_wide:
        (at,) = struct.unpack_from(f"{order}Q", data, 32)
        size, count = struct.unpack_from(f"{order}HH", data, 54)
    else:
        (at,) = struct.unpack_from(f"{order}I", data, 28)
        size, count = struct.unpack_from(f"{order}HH", data, 42)
    return at, size, count


def _elf_segment(data: bytes, order: str, is_wide: bool, at: int) -> tuple[int, int, int, int]:
    """Return kind, place in the file, address and size in the file of a segment."""
    if is_wide:
        kind, _, offset, address, _, length = struct.unpack_from(f"{order}IIQQQQ", data, at)
    else:
        kind, offset, address, _, length = struct.unpack_from(f"{order}IIIII", data, at)
    return kind, offset, address, length


def _elf_needed(
    data: bytes,
    order: str,
    is_wide: bool,
    offset: int,
    length: int,
    segments: list[tuple[int, int, int, int]],
) -> tuple[str, ...]:
    entry = struct.Struct(f"{order}QQ" if is_wide else f"{order}II")
    names: list[int] = []
    table = None
    for index in range(min(length // entry.size, _MAX_ENTRIES)):
        tag, value = entry.unpack_from(data, offset + index * entry.size)
        if tag == 0:
            break
        if tag == 1:  # DT_NEEDED
            names.append(value)
        elif tag == 5:  # DT_STRTAB
            table = value
    if table is None:
        return ()
    for kind, start, address, size in segments:
        if kind == 1 and address <= table < address + size:  # PT_LOAD
            base = start + table - address
            return tuple(_name_at(data, base + name) for name in names)
    return ()


# ------------------------------------------------------------------ PE


def _read_pe(data: bytes) -> Image | None:
    (head,) = struct.unpack_from("<I", data, 0x3C)
    if data[head : head + 4] != b"PE\0\0":
        return None
    machine, section_count = struct.unpack_from("<HH", data, head + 4)
    (optional_size,) = struct.unpack_from("<H", data, head + 20)
    optional = head + 24
    (magic,) = struct.unpack_from("<H", data, optional)
    directories = optional + (112 if magic == 0x20B else 96)
    (imports,) = struct.unpack_from("<I", data, directories + 8)
    sections = [
        struct.unpack_from("<IIII", data, optional + optional_size + 40 * index + 8)
        for index in range(min(section_count, _MAX_ENTRIES))
    ]
    needed = _pe_needed(data, imports, sections) if imports else ()
    return Image("win32", _PE_MACHINES.get(machine, ""), needed)


def _pe_needed(data: bytes, imports: int, sections: list[tuple[int, ...]]) -> tuple[str, ...]:
    names = []
    at = _pe_place(imports, sections)
    for index in range(_MAX_ENTRIES):
        (name,) = struct.unpack_from("<I", data, at + 20 * index + 12)
        if name == 0:
            break
        names.append(_name_at(data, _pe_place(name, sections)))
    return tuple(names)


def _pe_place(address: int, sections: list[tuple[int, ...]]) -> int:
    """Return where in the file an address of the loaded image is."""
    for virtual_size, start, raw_size, place in sections:
        if start <= address < start + max(virtual_size, raw_size):
            return place + address - start
    raise ValueError("an address is in no section")


# ------------------------------------------------------------------ Mach-O


def _read_mach(data: bytes) -> Image | None:
    (magic, machine) = struct.unpack_from("<II", data, 0)
    if magic in (0xFEEDFACF, 0xFEEDFACE):
        return Image("darwin", _MACH_MACHINES.get(machine, ""))
    # Several processors in one file; Java classes begin alike, but are not called so.
    return Image("darwin", "") if magic == 0xBEBAFECA else None
