"""Compiles the modules through which every task passes: `compile_modules.py FOLDER`.

FOLDER gets the three packages with, beside some of their modules, an extension module that mypyc
has made of the same source. Python takes the extension where its own version and system fit the
name, and the source everywhere else. Nothing is written elsewhere, so a changed source is never
hidden behind an extension made of an older one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "hxgrid": ROOT / "hxgrid",
    "hxgrid_agent": ROOT / "agent" / "hxgrid_agent",
    "hxgrid_coordinator": ROOT / "coordinator" / "hxgrid_coordinator",
}

COMPILED = (
    "hxgrid/streams/stream.py",
    "hxgrid/tasks/agent.py",
    "hxgrid/tasks/hostpage.py",
    "hxgrid/tasks/page.py",
    "hxgrid/tasks/running.py",
    "hxgrid/wire/batches.py",
    "hxgrid/transport/flow.py",
    "hxgrid/transport/loop.py",
    "hxgrid/transport/sockets.py",
    "hxgrid/transport/waiting_*.py",
    "hxgrid/transport/watch.py",
    "hxgrid/user/core/*.py",
    "hxgrid/user/acceptance.py",
    "hxgrid/user/agent_link.py",
    "hxgrid/user/arrivals.py",
    "hxgrid/user/attempt_sender.py",
    "hxgrid/user/delivery.py",
    "hxgrid/user/driver.py",
    "hxgrid/user/engine.py",
    "hxgrid/user/helm.py",
    "hxgrid/user/intake.py",
    "hxgrid/user/offers.py",
    "hxgrid/user/outgoing.py",
    "hxgrid/user/task.py",
    "hxgrid/user/waiting.py",
    "hxgrid_agent/core/*.py",
    "hxgrid_agent/driver.py",
    "hxgrid_agent/neighbours.py",
    "hxgrid_agent/orders.py",
    "hxgrid_agent/peers.py",
    "hxgrid_agent/processes.py",
    "hxgrid_agent/transfers.py",
    "hxgrid_agent/uploads.py",
    "hxgrid_agent/execution/channel.py",
    "hxgrid_agent/execution/child.py",
    "hxgrid_agent/execution/ended.py",
    "hxgrid_agent/execution/frames.py",
    "hxgrid_agent/execution/held.py",
    "hxgrid_agent/execution/host_process.py",
    "hxgrid_agent/execution/link.py",
    "hxgrid_agent/execution/process.py",
)
"""Inner parts only: where arguments of the application or code of a task come in, a compiled
function would answer a wrong type with a sentence of its own. A class that is derived from one of
these must be among them: Python does not derive from compiled classes."""

PLAIN = {"__init__.py", "actions.py", "events.py", "reports.py", "requirements.py", "settings.py"}
"""Modules of data classes with slots, which mypyc does not take."""

_NATIVE = Path("hxgrid", "_native")
_STAMP = ".made-of"
_OPTIONS = ["--ignore-missing-imports", "--python-executable", sys.executable]

_BUILD = """
import sys
from setuptools import setup
from mypyc.build import mypycify
modules = mypycify(sys.argv[1:], opt_level="2", debug_level="0")
if sys.platform != "win32":
    # Else each call between two functions takes a detour, in case somebody puts his own in between.
    for module in modules:
        module.extra_compile_args.append("-fvisibility=hidden")
setup(
    name="hxgrid-compiled",
    packages=[],
    ext_modules=modules,
    script_args=["--quiet", "build_ext", "--inplace"],
)
"""


class CannotCompile(Exception):
    """There is no mypyc or no C compiler here, or one of them failed; the text says which."""


def sources(folder: Path) -> list[Path]:
    """Return the modules to compile, in a folder that has the packages."""
    found = [path for pattern in COMPILED for path in sorted(folder.glob(pattern))]
    return [path for path in found if path.name not in PLAIN]


def extensions(folder: Path) -> Iterator[Path]:
    """Give what was compiled, relative to the folder."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for path in sorted(folder.rglob(f"*{suffix}")):
        if "build" not in path.relative_to(folder).parts:
            yield path.relative_to(folder)


def is_fresh(folder: Path) -> bool:
    """Say whether the folder has been made of the sources as they are, for this Python."""
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _mark()


def make(folder: Path) -> None:
    """Make the folder, unless it is fresh. Raises `CannotCompile`."""
    if is_fresh(folder):
        _add_native(folder)
        return
    sys.stderr.write(
        "Compiling the modules that every task passes (some minutes, once; "
        "COMPILED=0 leaves it out) ...\n"
    )
    shutil.rmtree(folder, ignore_errors=True)
    for name, package in PACKAGES.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, folder / name, ignore=ignored)
    names = [str(path.relative_to(folder)) for path in sources(folder)]
    command = [sys.executable, "-c", _BUILD, *_OPTIONS, *names]
    # Its own interpreter: setuptools and mypyc leave much behind in theirs.
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotCompile((done.stderr or done.stdout).strip()[-2000:])
    shutil.rmtree(folder / "build")
    _add_native(folder)
    (folder / _STAMP).write_text(_mark(), encoding="utf-8")


def _add_native(folder: Path) -> None:
    """Put in what is for C and Pascal, where a wheel has it; no part of what is compiled here."""
    shutil.copytree(ROOT / _NATIVE, folder / _NATIVE, dirs_exist_ok=True)
    for name in ("include", "pascal"):
        shutil.copytree(ROOT / "native" / name, folder / _NATIVE / name, dirs_exist_ok=True)


def _mark() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES.values():
        for path in sorted(package.rglob("*.py")):
            digest.update(os.fsencode(path.relative_to(ROOT)))
            digest.update(path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--if-possible", action="store_true", help="go on without, where it cannot be done"
    )
    options = parser.parse_args(arguments)
    try:
        make(options.folder.absolute())
    except CannotCompile as error:
        # What would be found there is neither whole nor fresh.
        shutil.rmtree(options.folder, ignore_errors=True)
        sys.stderr.write(
            f"{error}\nThe modules were not compiled: it takes a C compiler and Python's headers.\n"
            "Nothing is missing but speed.\n"
        )
        return 0 if options.if_possible else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
