"""The whole job, with a session that runs each task at once and finishes them out of order."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.normalmapper import app, flags, generate, nm_task, nmf, turns
from hxgrid_examples.normalmapper.tga import read_tga

import hxgrid

SAMPLES = os.environ.get("HXGRID_SAMPLES", "")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    low = generate.sheet(generate.sphere, 6, 4)
    high = generate.sheet(generate.sphere, 24, 24, generate.waves(24, 24, 1))
    for name, mesh in (("low", low), ("high", high)):
        # Not small: with T, small triangles are not hit.
        mesh[:, :9] *= 10
        nmf.write_nmf(tmp_path / f"{name}.nmf", mesh)
    return tmp_path


class ShufflingSession:
    """Gives out results in an order drawn from the seed, on a grid of so many slots."""

    def __init__(self, seed: int, slots: int = 4) -> None:
        self.task_count = self.data_count = 0
        self._chance = random.Random(seed)
        self._slots = slots
        self._inner = hxgrid.connect("inline")
        self._finished: list[tuple[Callable[[hxgrid.Stream], None], hxgrid.Stream]] = []

    @property
    def connection_status(self) -> Any:
        class Status:
            slots = self._slots

        return Status

    def bind_get_data(self, callback: Callable[[str], Path | None]) -> None:
        def counted(name: str) -> Path | None:
            self.data_count += 1
            return callback(name)

        self._inner.bind_get_data(counted)

    def run_task(
        self, modules: list[Path], function: str, in_stream: bytes, finalize: Any, cost: float
    ) -> None:
        self.task_count += 1
        task = self._inner.run_task(modules, function, in_stream)
        assert task is not None
        assert cost > 0
        self._finished.append((finalize, task.result()))

    def wait_for_completion(self) -> bool:
        self._chance.shuffle(self._finished)
        while self._finished:
            finalize, output = self._finished.pop()
            finalize(output)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.close(cancel=error[0] is not None)


def done(folder: Path, line: str, session: Any = None, **more: Any) -> list[Path]:
    words = line.replace("@", f"{folder}/").split()
    written: list[Path] = app.run(
        flags.parse_positions(words), lambda: session or ShufflingSession(1), **more
    )
    return written


def test_b46_the_file_does_not_depend_on_order_nor_slots(files: Path) -> None:
    seen = set()
    for seed, slots in ((1, 1), (2, 1), (3, 7), (4, 64)):
        line = f"-1r @low.nmf @high.nmf 64 64 @{seed}.tga"
        done(files, line, ShufflingSession(seed, slots))
        seen.add((files / f"{seed}.tga").read_bytes())
    assert len(seen) == 1


def test_the_task_in_cpp_on_a_real_grid_makes_the_same_file(files: Path) -> None:
    done(files, "-1r @low.nmf @high.nmf 32 32 @inline.tga")
    done(files, "-1r @low.nmf @high.nmf 32 32 @grid.tga", hxgrid.connect("local", slots=2))
    assert (files / "inline.tga").read_bytes() == (files / "grid.tga").read_bytes()


def test_the_scene_is_asked_for_once_a_session(files: Path) -> None:
    session = ShufflingSession(1, slots=16)
    done(files, "-or @low.nmf @high.nmf 64 64 @out.tga", session)
    assert (session.task_count > 10, session.data_count) == (True, 1)


def test_progress_rises_to_one(files: Path) -> None:
    shares: list[float] = []
    done(files, "-r @low.nmf @high.nmf 64 64 @out.tga", on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@pytest.mark.parametrize("letter", "1kcCfFdDbXrRoOnNwWeEgGtTaAlLpPzBy")
def test_every_letter_makes_a_picture(files: Path, letter: str) -> None:
    done(files, f"-{letter} @low.nmf @high.nmf 16 16 @out.tga")
    pixels = read_tga(files / "out.tga")
    assert pixels.shape == (16, 16, 4 if letter in "rRoO" else 3)
    assert (pixels[:, :, :3] != 127).any()
    assert (files / "disp-out.png").exists() == (letter == "y")


@pytest.mark.parametrize(("letter", "levels"), [("m", 5), ("M", 5)])
def test_mip_levels_have_numbers(files: Path, letter: str, levels: int) -> None:
    written = done(files, f"-{letter} @low.nmf @high.nmf 16 16 @out.tga")
    assert [path.name for path in written] == [f"out{level:02}.tga" for level in range(levels)]
    assert read_tga(files / "out04.tga").shape == (1, 1, 3)


def test_a_distance_leaves_out_what_is_further(files: Path) -> None:
    done(files, "-ezv @low.nmf @high.nmf 16 16 1e-6 @near.tga")
    assert (read_tga(files / "near.tga") == 127).mean() > 0.9


def test_a_height_map_changes_the_normals(files: Path) -> None:
    bumps = np.random.default_rng(1).integers(0, 255, (8, 8), np.uint8)
    head = bytes([0, 0, 3, *[0] * 9, 8, 0, 8, 0, 8, 0])
    (files / "bumps.tga").write_bytes(head + bumps.tobytes())
    done(files, "@low.nmf @high.nmf 16 16 @plain.tga")
    for scale in ("0", "1"):
        done(files, f"-C @low.nmf @high.nmf 16 16 @bumps.tga {scale} @out{scale}.tga")
    plain, flat, bumped = (read_tga(files / f"{name}.tga") for name in ("plain", "out0", "out1"))
    assert np.abs(plain.astype(int) - flat).max() <= 1
    assert np.abs(plain.astype(int) - bumped).mean() > 5


def test_triangles_without_an_area_change_nothing(files: Path) -> None:
    done(files, "-1r @low.nmf @high.nmf 32 32 @out.tga")
    expected = (files / "out.tga").read_bytes()
    for name, uv in (("low", 0.5), ("high", 0.0)):
        mesh = nmf.read_nmf(files / f"{name}.nmf")
        flat = mesh[:3].copy()
        flat[0, 3:9] = [*flat[0, 0:3], *flat[0, 0:3]]  # a point
        flat[1, 6:9] = (flat[1, 0:3] + flat[1, 3:6]) / 2  # a line
        flat[2, :9] = 0
        flat[:, 18:] = uv
        nmf.write_nmf(files / f"{name}.nmf", np.concatenate([mesh, flat]))
    done(files, "-1r @low.nmf @high.nmf 32 32 @out.tga")
    assert (files / "out.tga").read_bytes() == expected


def test_a_high_mesh_of_no_area_is_hit_nowhere(files: Path) -> None:
    mesh = nmf.read_nmf(files / "high.nmf")
    mesh[:, 3:9] = np.tile(mesh[:, 0:3], 2)
    nmf.write_nmf(files / "high.nmf", mesh)
    done(files, "@low.nmf @high.nmf 16 16 @out.tga")
    assert (read_tga(files / "out.tga") == 127).all()


def test_nothing_is_connected_for_a_job_that_cannot_be(files: Path) -> None:
    def connect() -> hxgrid.Session:
        raise AssertionError

    for line in ("@low.nmf @none.nmf 16 16 @out.tga", "@low.nmf @high.nmf 16 16 @out.jpg"):
        job = flags.parse_positions(line.replace("@", f"{files}/").split())
        with pytest.raises(JobError):
            app.run(job, connect)


def test_b45_a_scene_that_could_not_be_had_is_asked_for_again(files: Path) -> None:
    """A load that failed must not poison the session (B45)."""
    job = flags.parse_positions(f"{files}/low.nmf {files}/high.nmf 16 16 out.tga".split())
    library = app.load()
    path = files / "scene"
    app.prepare(library, job).write(path)
    answers = [None, path]
    with hxgrid.connect("inline") as session:
        session.bind_get_data(lambda name: answers.pop(0) if name == nm_task.SCENE else None)
        arguments = ([app.TASK_FILE, library.path, app.HEADER], "run_task")
        request = np.array([16, 16, 1, 0, 0, 16, 16], "<u4").tobytes()
        first = session.run_task(*arguments, request)
        second = session.run_task(*arguments, request)
        assert first is not None
        assert second is not None
        assert isinstance(first.exception(), hxgrid.TaskFailed)
        assert len(second.result().getvalue()) == 16 * 16 * 3 * 4


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "no scene"), (b"NMSCENE1" * 100, "no scene")]
)
def test_a_broken_scene_ends_in_a_sentence(files: Path, content: bytes, reason: str) -> None:
    library = app.load()
    with hxgrid.connect("inline") as session:
        session.bind_get_data(lambda _: content)
        request = np.array([16, 16, 1, 0, 0, 16, 16], "<u4").tobytes()
        task = session.run_task([app.TASK_FILE, library.path, app.HEADER], "run_task", request)
        assert task is not None
        assert reason in str(task.exception())


def test_a_second_run_waits_its_turn_and_says_so(tmp_path: Path) -> None:
    said, order = [], []
    waits = threading.Event()

    def second() -> None:
        def say(text: str) -> None:
            said.append(text)
            waits.set()

        with turns.own_turn(say, tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with turns.own_turn(said.append, tmp_path):
        thread.start()
        assert waits.wait(30)
        order.append("first")
    thread.join(30)
    assert (said, order) == ([turns.WAITING], ["first", "second"])


def test_a_turn_that_cannot_be_had_ends_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(JobError, match="whose turn it is: No such file"),
        turns.own_turn(print, tmp_path / "nowhere"),
    ):
        pass


def test_the_generated_scene_depends_on_its_seed_alone(tmp_path: Path) -> None:
    first = generate.write_scene(tmp_path / "a", triangles=200, seed=5)
    again = generate.write_scene(tmp_path / "b", triangles=200, seed=5)
    other = generate.write_scene(tmp_path / "c", triangles=200, seed=6)
    for one, two, three in zip(first, again, other, strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert (one.read_bytes() == three.read_bytes()) == ("low" in one.name)


@pytest.mark.skipif(
    not SAMPLES, reason="extra meshes, read from the folder that HXGRID_SAMPLES names"
)
def test_extra_meshes_make_a_picture(tmp_path: Path) -> None:
    samples = Path(SAMPLES)
    low, high = min(samples.glob("*L.nmf")), min(samples.glob("*H.nmf"))
    for letters in ("C", "1", "r"):
        done(tmp_path, f"-{letters} {low} {high} 64 64 @out.tga")
        pixels = read_tga(tmp_path / "out.tga")
        # Its texture fills the picture: only what nothing was found for is grey.
        assert (pixels[:, :, :3] != 127).any(axis=2).mean() > 0.99
