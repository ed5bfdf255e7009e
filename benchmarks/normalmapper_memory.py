"""What does a structure of 300 MB cost an agent that sees it for the first time?

The scene of a mesh of 1.8 million triangles. An agent that has nothing yet runs a task of a single
texel, which ends as soon as it has computed: that may take as long as the transfer of as many other
bytes to the same agent, by a task that only asks for them, and half a second. Then every slot draws
a whole picture, and the memory of the agent and its task processes is looked at.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
from hxgrid_examples.normalmapper import app, flags, generate, library, nmf
from hxgrid_examples.normalmapper.plan import Part, tile_grid

import hxgrid
from benchmarks.grids import SLOTS, token_grid
from benchmarks.measuring import Answer, Spread, write
from benchmarks.native_calls import compiled, left_out

SIDE = 942  # squares of two triangles, 169 bytes each in the scene
EDGE = 512
MOST_EXTRA_S = 0.5
GROWTH = 1.1
RUNS = 3
OTHER = "other"


def main() -> list[Answer]:
    """Measure and write it down."""
    if left_out("normalmapper_memory"):
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = library.load()
        scene = made_scene(folder, built)
        size = scene.stat().st_size
        module = compiled(folder)
        taken = [measured(scene, folder / OTHER, module, built) for _ in range(RUNS)]
    answer = judged(size, taken)
    write("normalmapper_memory", [answer])
    return [answer]


def made_scene(folder: Path, built: library.Library) -> Path:
    """Write a scene of about 300 MB; return its file."""
    low, high = folder / "low.nmf", folder / "high.nmf"
    nmf.write_nmf(low, generate.sheet(generate.plane, 8, 8))
    nmf.write_nmf(high, generate.sheet(generate.plane, SIDE, SIDE, generate.waves(SIDE, SIDE, 1)))
    words = [str(low), str(high), str(EDGE), str(EDGE), str(folder / "out.tga")]
    job = flags.parse_positions(words)
    job = replace(job, options=flags.settled(job))
    path = folder / "scene"
    app.prepare(built, job).write(path)
    return path


def measured(
    scene: Path, other: Path, module: Path, built: library.Library
) -> tuple[float, float, float]:
    """Return seconds of the plain transfer and of the first task, and the growth of memory."""
    # New bytes each time, which nothing has seen.
    other.write_bytes(secrets.token_bytes(scene.stat().st_size))
    with token_grid() as grid:
        session = grid.session
        session.bind_get_data(lambda name: scene if name != "data" else other)
        modules, function = app.task_of(session, built)
        grid.warm_up(str(module), "Nothing")
        transfer_s = took_s(session, module, "ReadData", b"")
        before = memory_of(grid.agent)
        one = Part(np.array([[300, 300, 301, 301]], np.uint32), 1.0)
        whole = Part(tile_grid(EDGE, EDGE, 32), 1.0)
        first_s = took_s(session, modules, function, one.request(EDGE, EDGE))
        for _ in range(2 * SLOTS):  # every slot looks at all of it
            session.run_task(modules, function, whole.request(EDGE, EDGE))
        session.wait_for_completion()
        return transfer_s, first_s, memory_of(grid.agent) - before


def took_s(
    session: hxgrid.Session, modules: Path | list[Path], function: str, request: bytes
) -> float:
    """Return the seconds from handing a task in to its result."""
    began = time.perf_counter()
    task = session.run_task(modules, function, request)
    assert task is not None
    task.result()
    return time.perf_counter() - began


def memory_of(agent: int) -> float:
    """Return the resident bytes of an agent and its processes, shared ones counted once."""
    process = psutil.Process(agent)
    family = [process, *process.children(recursive=True)]
    return float(sum(getattr(one.memory_full_info(), "pss", 0) for one in family))


def judged(size: int, taken: list[tuple[float, float, float]]) -> Answer:
    """Compare with the transfer and with the size."""
    extra = Spread.of([first_s - transfer_s for transfer_s, first_s, _ in taken])
    growth = Spread.of([grown / size for _, _, grown in taken])
    transfers = Spread.of([transfer_s for transfer_s, _, _ in taken])
    return Answer(
        question=f"NormalMapper, a structure of {size / 1e6:.0f} MB, first task of an agent",
        must_reach=f"transfer and {MOST_EXTRA_S:g} s; memory {GROWTH:g} times the structure",
        baseline=f"transfer {transfers} s",
        ours=f"{extra} s more; memory {growth} times",
        ratio="-",
        is_reached=extra.median <= MOST_EXTRA_S and growth.median <= GROWTH,
        details={"taken": taken},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer.question, "|", answer.ours, "|", answer.ratio, "|", answer.is_reached)
