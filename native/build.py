"""Compile the libraries into `hxgrid/_native/`, with whatever C compiler there is.

One is opened by agents to run native tasks, the other is linked by native applications.

Run as `python native/build.py [--force]`, and by the build hook for wheels and editable installs.
Nothing but the standard library is used. Without a compiler, or when it fails, a text that says so
is left where the library would be: everything but native tasks works without it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NATIVE = Path(__file__).resolve().parent
SOURCES = [NATIVE / "src" / "common", NATIVE / "src" / "task"]
USER_SOURCES = [NATIVE / "src" / "common", NATIVE / "src" / "user"]
# The declarations that Python reads are those that the library was compiled with.
HEADERS = [NATIVE / "src" / "task" / "hxg_host.h", NATIVE / "include" / "hxgrid" / "hxgrid_task.h"]
TARGET = NATIVE.parent / "hxgrid" / "_native"
REASON = "why_missing.txt"

_COMPILERS = ("cc", "gcc", "clang")
_LONGEST_BUILD_S = 300


class BuildError(Exception):
    """The library cannot be built; the text says why, and what to do."""


def library_name(platform: str = sys.platform) -> str:
    """Return the file name of the library on a platform."""
    if platform == "win32":
        return "hxgridtask.dll"
    return "libhxgridtask.dylib" if platform == "darwin" else "libhxgridtask.so"


def user_library_name(platform: str = sys.platform) -> str:
    """Return the file name of the library for applications; on Windows the original's."""
    if platform == "win32":
        return "hxGridUserDLL.dll"
    return "libhxgriduser.dylib" if platform == "darwin" else "libhxgriduser.so"


def artifacts() -> list[str]:
    """Return the names that a build leaves in the target."""
    return [library_name(), user_library_name(), *(header.name for header in HEADERS), REASON]


def find_compiler() -> list[str]:
    """Return the command of the C compiler: CC from the environment, else the first found."""
    wanted = os.environ.get("CC")
    if wanted:
        return shlex.split(wanted)
    for name in _COMPILERS:
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise BuildError(
        f"no C compiler was found (looked for {', '.join(_COMPILERS)}); install one, or name it"
        " in the environment variable CC, and install hxGrid again"
    )


def command(
    compiler: list[str], target: Path, platform: str = sys.platform, folders: list[Path] = SOURCES
) -> list[str]:
    """Return the command that compiles and links a library at once."""
    sources = [str(path) for folder in folders for path in sorted(folder.glob("*.c"))]
    flags = ["-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra"]
    if platform == "win32":
        flags.remove("-fPIC")
        libraries = ["-lws2_32", "-static-libgcc"]
    elif platform == "darwin":
        libraries = [f"-Wl,-install_name,@rpath/{target.name}"]
    else:
        libraries = ["-pthread", "-ldl", "-lm", "-Wl,--no-undefined", "-Wl,-z,relro,-z,now"]
    include = f"-I{NATIVE / 'include'}"
    return [*compiler, *flags, include, *sources, "-o", str(target), *libraries]


def is_fresh(target: Path = TARGET) -> bool:
    """Tell whether the library there is newer than everything it is made of."""
    libraries = [target / library_name(), target / user_library_name()]
    needed = [*libraries, *(target / header.name for header in HEADERS)]
    if not all(path.exists() for path in needed):
        return False
    made_at = min(library.stat().st_mtime for library in libraries)
    parts = [path for folder in {*SOURCES, *USER_SOURCES} for path in folder.iterdir()]
    parts += [*NATIVE.joinpath("include", "hxgrid").iterdir(), Path(__file__)]
    return all(path.stat().st_mtime <= made_at for path in parts)


def build(target: Path = TARGET) -> Path:
    """Compile both into `target` and return the task library; raise `BuildError`."""
    target.mkdir(parents=True, exist_ok=True)
    # Put in place by a rename: a process that has the old library open keeps it.
    with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as folder:
        made = Path(folder) / library_name()
        user = made.with_name(user_library_name())
        _run(command(find_compiler(), made))
        _run(command(find_compiler(), user, folders=USER_SOURCES))
        for header in HEADERS:
            shutil.copyfile(header, Path(folder) / header.name)
            Path(folder, header.name).replace(target / header.name)
        user.replace(target / user.name)
        made.replace(target / made.name)
    (target / REASON).unlink(missing_ok=True)
    return target / library_name()


def build_or_explain(target: Path = TARGET) -> Path | None:
    """Compile into `target`; without success leave the reason there and return None."""
    try:
        return build(target)
    except BuildError as error:
        target.mkdir(parents=True, exist_ok=True)
        for name in (library_name(), user_library_name()):
            (target / name).unlink(missing_ok=True)
        (target / REASON).write_text(f"{error}\n", encoding="utf-8")
        return None


def _run(line: list[str]) -> None:
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, check=False, timeout=_LONGEST_BUILD_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the C compiler could not be run: {error}") from error
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()
        raise BuildError(f"the C compiler failed: {shlex.join(line)}\n{output[-4000:]}")


def main() -> int:
    """Build unless the library is fresh; say on stderr why there is none."""
    if "--force" not in sys.argv[1:] and is_fresh():
        return 0
    if build_or_explain() is None:
        reason = (TARGET / REASON).read_text(encoding="utf-8")
        sys.stderr.write(f"hxGrid goes on without native tasks: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
