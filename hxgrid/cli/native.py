"""`hxgrid native`: what building a native application or task module needs."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from hxgrid import native
from hxgrid.errors import HxGridError


@click.command("native")
@click.option("--cflags", is_flag=True, help="Options for the compiler.")
@click.option("--libs", is_flag=True, help="Options for the linker, for applications.")
@click.option("--pascal-dir", is_flag=True, help="Folders of the Pascal units, one a line.")
@click.option("--compat", is_flag=True, help="Also for sources written for the original.")
@click.option("--library", is_flag=True, help="The library that applications load.")
@click.option("--bridge", is_flag=True, help="The program that the library starts.")
def command(
    cflags: bool, libs: bool, pascal_dir: bool, compat: bool, library: bool, bridge: bool
) -> None:
    """Print what building and running a native application needs.

    Such as `c++ app.cpp $(hxgrid native --cflags --libs)`. Task modules need --cflags only. Without
    options, everything is listed.
    """
    flags = []
    if cflags:
        flags += _cflags(compat)
    if libs:
        flags += _libs()
    if flags:
        print(shlex.join(flags))
    if pascal_dir:
        print("\n".join(str(path) for path in _pascal(compat)))
    if library:
        print(_library())
    if bridge:
        print(_bridge())
    if not (cflags or libs or pascal_dir or library or bridge):
        _list(compat)


def _list(compat: bool) -> None:
    print(f"cflags      {shlex.join(_cflags(compat))}")
    print(f"libs        {shlex.join(_libs())}")
    for path in _pascal(compat):
        print(f"pascal-dir  {path}")
    print(f"library     {_library()}")
    print(f"bridge      {_bridge()}")


def _cflags(compat: bool) -> list[str]:
    include = native.include_path()
    folders = [include / "hxgrid-compat", include] if compat else [include]
    return [f"-I{folder}" for folder in folders]


def _libs() -> list[str]:
    library = _library()
    if library.suffix == ".dll":
        return [str(library)]  # mingw links a DLL by its path
    return [f"-L{library.parent}", "-lhxgriduser", f"-Wl,-rpath,{library.parent}"]


def _pascal(compat: bool) -> list[Path]:
    folder = native.pascal_path()
    return [folder, folder / "compat"] if compat else [folder]


def _library() -> Path:
    library = native.user_library_path()
    if library is None:
        raise HxGridError("the library for applications is not installed", why=native.why_missing())
    return library


def _bridge() -> Path:
    bridge = native.bridge_path()
    if bridge is None:
        raise HxGridError(
            "the program hxgrid-bridge is not installed",
            advice="Install hxGrid with pip, which makes it.",
        )
    return bridge
