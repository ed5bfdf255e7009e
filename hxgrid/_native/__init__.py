"""Where the native parts are: the libraries, the C and C++ headers, the Pascal units.

The library is compiled when hxGrid is installed or its wheel is made, and then lies beside this
file. Without a C compiler there is none; Python tasks do not need it.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_TREE = _HERE.parents[1] / "native"
_REASON = "why_missing.txt"
_HEADERS = ("hxgrid_task.h", "hxg_host.h")

_REGION = re.compile(r"/\* cdef: begin \*/(.*?)/\* cdef: end \*/", re.DOTALL)
# Words of the headers that say how functions are called and exported. What cffi opens at run time
# is exported anyway, and it knows the call convention by a word of its own.
_WORDS = {
    "HXG_API": "",
    "HXG_CDECL": "",
    "HXG_STDCALL": "__stdcall" if sys.platform == "win32" else "",
}


def library_name() -> str:
    """Return the file name of the task library on this system."""
    if sys.platform == "win32":
        return "hxgridtask.dll"
    return "libhxgridtask.dylib" if sys.platform == "darwin" else "libhxgridtask.so"


def library_path() -> Path | None:
    """Return the task library, or None; `why_missing` then has the reason."""
    path = _HERE / library_name()
    return path if path.is_file() else None


def user_library_path() -> Path | None:
    """Return the library that native applications link, or None."""
    if sys.platform == "win32":
        name = "hxGridUserDLL.dll"
    else:
        name = "libhxgriduser.dylib" if sys.platform == "darwin" else "libhxgriduser.so"
    path = _HERE / name
    return path if path.is_file() else None


def bridge_path() -> Path | None:
    """Return the program that this library starts, or None."""
    suffix = ".exe" if sys.platform == "win32" else ""
    beside = Path(sys.executable).with_name(f"hxgrid-bridge{suffix}")
    if beside.is_file():
        return beside
    found = shutil.which("hxgrid-bridge")
    return None if found is None else Path(found)


def why_missing() -> str:
    """Return why there is no task library, as a sentence; empty if there is one."""
    if library_path() is not None:
        return ""
    note = _HERE / _REASON
    if note.is_file():
        return f"hxGrid was installed without its task library: {note.read_text('utf-8').strip()}"
    return (
        f"hxGrid was installed without its task library ({library_name()}): this was a wheel for"
        " every platform, or nothing was built; install hxGrid where there is a C compiler"
    )


def declarations() -> str:
    """Return what cffi needs to know to call the library: the text of the headers it was made of.

    Raises `FileNotFoundError` where there is no library.
    """
    text = "".join(
        region
        for header in _HEADERS
        for region in _REGION.findall((_HERE / header).read_text(encoding="utf-8"))
    )
    for word, replacement in _WORDS.items():
        text = re.sub(rf"\b{word}\b", replacement, text)
    return text


def include_path() -> Path:
    """Return the folder to compile with: it holds `hxgrid/` and `hxgrid-compat/`."""
    return _part("include")


def pascal_path() -> Path:
    """Return the folder of the Pascal units; `compat/` in it is for the original's sources."""
    return _part("pascal")


def _part(name: str) -> Path:
    # A wheel carries them; in the source tree they are where they are written.
    packed = _HERE / name
    return packed if packed.is_dir() else _TREE / name
