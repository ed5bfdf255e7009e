"""Writing pictures in the format that their name says.

Row 0 of a picture is its bottom; a PNG begins at the top.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import JobError
from ..png import encode_png
from .arg import DEFAULT_LAYOUT, LAYOUTS, write_arg, write_grey
from .exr import write_exr
from .tga import write_tga

if TYPE_CHECKING:
    from .picture import Floats, Picture

SUFFIXES = (".tga", ".png", ".exr", ".arg")


def check_output(path: Path, bits: int = 8, layout: str = "") -> None:
    """Raise `JobError` now if nothing could be written there later."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise JobError(f"the output {str(path)!r} must end in one of {', '.join(SUFFIXES)}")
    if bits == 16 and suffix == ".tga":
        raise JobError("a TGA picture has 8 bits a channel; for 16 name the output .png or .exr")
    if layout and suffix != ".arg":
        raise JobError(f"flag {layout!r} makes an .arg file, but the output is {str(path)!r}")
    if not path.absolute().parent.is_dir():
        raise JobError(f"the folder {path.absolute().parent} is not there")


def write_picture(path: Path, picture: Picture, bits: int = 8, layout: str = "") -> None:
    """Write normals, and openness as alpha; `layout` is for .arg files."""
    suffix = path.suffix.lower()
    if suffix == ".exr":
        planes = {name: picture.normals[:, :, index] for index, name in enumerate("RGB")}
        if picture.openness is not None:
            planes["A"] = picture.openness
        write_exr(path, planes)
    elif suffix == ".arg":
        chosen = LAYOUTS[layout or DEFAULT_LAYOUT]
        write_arg(path, chosen, picture.normals, picture.openness)
    elif suffix == ".png":
        pixels = picture.to_bytes() if bits == 8 else picture.to_words()
        path.write_bytes(encode_png(pixels[::-1]))
    else:
        write_tga(path, picture.to_bytes())


def level_path(path: Path, level: int) -> Path:
    """Return the name of a mip level: two digits before the suffix."""
    return path.with_name(f"{path.stem}{level:02}{path.suffix}")


def displacement_path(path: Path) -> Path:
    """Return the name of the picture of distances that belongs to one of normals."""
    suffix = path.suffix.lower() if path.suffix.lower() in (".exr", ".arg") else ".png"
    return path.with_name(f"disp-{path.stem}{suffix}")


def write_displacement(path: Path, distances: Floats) -> None:
    """Write signed distances: as they are (EXR), or by the largest of them to 16 bits.

    Where they are scaled, middle grey is distance 0.
    """
    if path.suffix.lower() == ".arg":
        write_grey(path, distances)
        return
    if path.suffix.lower() == ".exr":
        write_exr(path, {"Y": distances})
        return
    largest = float(np.abs(distances).max()) or 1.0
    scaled = np.rint(32767 * (distances.astype(np.float64) / largest)) + 32768
    path.write_bytes(encode_png(scaled.astype(np.uint16)[::-1, :, None]))
