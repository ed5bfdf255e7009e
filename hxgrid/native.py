"""What is installed for native code: where headers, units and the task library are.

`include_path()` is the folder for the compiler's `-I`, `pascal_path()` that of the Pascal units;
`library_path()` is the task library, or None, and `why_missing()` then says why.
`user_library_path()` is the library that applications link, `bridge_path()` the program it starts.
"""

from hxgrid._native import (
    bridge_path,
    include_path,
    library_path,
    pascal_path,
    user_library_path,
    why_missing,
)

__all__ = [
    "bridge_path",
    "include_path",
    "library_path",
    "pascal_path",
    "user_library_path",
    "why_missing",
]
