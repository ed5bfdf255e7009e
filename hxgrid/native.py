"""What is installed for native code: where headers, units and the task library are.

`include_path()` is the folder for the compiler's `-I`, `pascal_path()` that of the Pascal units;
`library_path()` is the task library, or None, and `why_missing()` then says why.
"""

from hxgrid._native import include_path, library_path, pascal_path, why_missing

__all__ = ["include_path", "library_path", "pascal_path", "why_missing"]
