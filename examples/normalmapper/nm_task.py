"""The task: some tiles of a picture, computed by the C++ library that travels with this file.

The scene (meshes, tree, rays) comes through `get_data`. It is used where it lies, in memory that
all slots of a computer share: it is neither parsed nor copied.

| stream | bytes |
| --- | --- |
| input | u32 width, u32 height, u32 count, then four u32 for each tile: x0, y0, x1, y1 |
| output | for each tile, each of its texels row by row: the floats that `nm_render` says |
"""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cffi

if TYPE_CHECKING:
    import hxgrid

SCENE = "normalmapper/scene"

_HEAD = struct.Struct("<3I")
_TILE_BYTES = 16
_REGION = re.compile(r"/\* cdef: begin \*/(.*?)/\* cdef: end \*/", re.DOTALL)
_LIBRARIES = ("libnormalmapper.so", "normalmapper.dll")

# The library, once it is open, for all tasks of this process.
_opened: dict[str, Any] = {}


class NotThereError(Exception):
    """A file that should have travelled with the task is missing, or the library refuses."""


def run_task(
    agent: hxgrid.TaskAgent,
    session_id: int,  # noqa: ARG001 - every task has these four
    in_stream: hxgrid.Stream,
    out_stream: hxgrid.Stream,
) -> bool:
    """Compute the tiles of the input. False: the result is no longer wanted."""
    request = in_stream.read()
    width, height, count = _HEAD.unpack_from(request)
    if len(request) != _HEAD.size + count * _TILE_BYTES:
        raise ValueError(f"{count} tiles do not take {len(request)} bytes")
    ffi, lib = _library()
    scene = agent.get_data(SCENE)
    scene_bytes = ffi.from_buffer("uint8_t[]", scene.getbuffer())
    _check(ffi, lib.nm_check_scene(scene_bytes, len(scene_bytes)))
    tiles = ffi.from_buffer("nm_tile[]", request[_HEAD.size :])
    texels = sum((tile.x1 - tile.x0) * (tile.y1 - tile.y0) for tile in tiles)
    out = ffi.new("float[]", texels * lib.nm_channels(scene_bytes))
    stopped = ffi.new("int32_t *")
    go_on = ffi.callback("int32_t(void *)", lambda _: agent.test_connection())
    _check(
        ffi,
        lib.nm_render(
            *(scene_bytes, len(scene_bytes), width, height, tiles, count),
            *(out, len(out), go_on, ffi.NULL, stopped),
        ),
    )
    if stopped[0]:
        return False
    out_stream.write(ffi.buffer(out))
    return True


def open_library(path: Path, header: Path) -> tuple[Any, Any]:
    """Return the library and the cffi object that knows its types."""
    ffi = cffi.FFI()
    declarations = _REGION.findall(header.read_text(encoding="utf-8"))
    ffi.cdef("".join(declarations).replace("NM_API", ""))
    return ffi, ffi.dlopen(str(path))


def _library() -> Any:
    if "library" not in _opened:
        path = _find(*_LIBRARIES)
        _opened["library"] = open_library(path, _find("normalmapper.h"))
    return _opened["library"]


def _find(*names: str) -> Path:
    """Return the file that travelled: beside this one, or wherever files of the task are."""
    for folder in (Path(__file__).parent, *(Path(entry) for entry in sys.path)):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise NotThereError(f"{' or '.join(names)} did not come with the task")


def _check(ffi: Any, message: Any) -> None:
    if message != ffi.NULL:
        raise NotThereError(ffi.string(message).decode("ascii"))
