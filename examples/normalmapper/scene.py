"""The scene that all tasks share, made once and handed out as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .options import RULES, Options

if TYPE_CHECKING:
    from .library import Library
    from .nmf import Mesh
    from .relief import Normals

    Tiles = np.ndarray[Any, np.dtype[np.uint32]]
    Floats = np.ndarray[Any, np.dtype[np.float32]]
    Costs = np.ndarray[Any, np.dtype[np.float64]]


class Scene:
    """Meshes, tree, samples and rays in one block of bytes, with what the library does to it."""

    def __init__(self, library: Library, data: Any) -> None:
        self._library = library
        self._data = data
        self.channels: int = library.lib.nm_channels(data)

    def __len__(self) -> int:
        return len(self._data)

    def write(self, path: Path) -> None:
        """Write the bytes as they are to travel."""
        with path.open("wb") as file:
            file.write(self._library.ffi.buffer(self._data))

    def costs(self, width: int, height: int, tiles: Tiles) -> Costs:
        """Return the expected work of each tile (rows x0, y0, x1, y1), in rays."""
        costs = np.empty(len(tiles))
        self._library.call(
            "nm_plan",
            *(self._data, len(self._data), width, height),
            *(self._library.pointer("nm_tile", tiles), len(tiles)),
            self._library.pointer("double", costs),
        )
        return costs

    def render(self, width: int, height: int, tiles: Tiles) -> Floats:
        """Compute tiles here and now: the numbers that a task returns."""
        ffi = self._library.ffi
        sizes = tiles.astype(np.int64)
        texels = int(((sizes[:, 2] - sizes[:, 0]) * (sizes[:, 3] - sizes[:, 1])).sum())
        out = np.empty(texels * self.channels, dtype=np.float32)
        self._library.call(
            "nm_render",
            *(self._data, len(self._data), width, height),
            *(self._library.pointer("nm_tile", tiles), len(tiles)),
            *(self._library.pointer("float", out), len(out)),
            *(ffi.NULL, ffi.NULL, ffi.new("int32_t *")),
        )
        return out


def build_scene(
    library: Library, low: Mesh, high: Mesh, options: Options, relief: Normals | None = None
) -> Scene:
    """Make the scene of a job, whose options are settled. Raises `JobError`."""
    ffi = library.ffi
    # Held here while the library reads them.
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "low": np.ascontiguousarray(low, dtype=np.float32),
        "high": np.ascontiguousarray(high, dtype=np.float32),
        "samples": options.sample_table(),
        "rays": options.ray_table(),
    }
    made = ffi.new("nm_input *")
    _fill(made.settings, options)
    for name, array in arrays.items():
        kind = "float" if array.dtype == np.float32 else "double"
        setattr(made, name, library.pointer(kind, array))
        setattr(made, f"{name.removesuffix('s')}_count", len(array))
    if relief is not None:
        arrays["relief"] = np.ascontiguousarray(relief, dtype=np.float32)
        made.relief = library.pointer("float", arrays["relief"])
        made.relief_height, made.relief_width = relief.shape[:2]
    bytes_out, size_out = ffi.new("uint8_t **"), ffi.new("uint64_t *")
    library.call("nm_build_scene", made, bytes_out, size_out)
    owned = ffi.gc(bytes_out[0], library.lib.nm_free, size_out[0])
    data = ffi.from_buffer("uint8_t[]", ffi.buffer(owned, size_out[0]))
    return Scene(library, data)


def _fill(settings: Any, options: Options) -> None:
    settings.epsilon = options.epsilon
    settings.cutoff = options.least_cosine
    settings.max_distance = options.max_distance
    settings.rule = RULES.index(options.rule)
    settings.is_better = bool(options.is_better)
    settings.is_front_only = options.is_front_only
    settings.pad = options.pad
    settings.is_edge_copied = options.is_edge_copied
    settings.is_world = options.is_world_space
    settings.has_occlusion = options.has_occlusion
    settings.has_bent = options.has_bent_normals
    settings.has_displacement = options.has_displacement
