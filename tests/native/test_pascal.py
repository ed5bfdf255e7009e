"""Tasks in Free Pascal, through the units and through the original's names."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest

from tests.harness.wait import wait_until
from tests.native import building
from tests.native.driver import Driver
from tests.native.test_streams import Model

pytestmark = pytest.mark.system("fpc")

DONE, FAILED, CANCELLED = 0, 1, 4


@pytest.fixture(scope="module")
def pascal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pascal")
    return building.pascal_module(folder, building.MODULES / "pascaltask.pas")


def test_a_pascal_task_gets_and_gives_bytes(crowd: Driver, pascal: Path) -> None:
    crowd.offer(1, pascal, "Echo")
    crowd.offer(2, pascal, "Refuse")
    data = bytes(range(256)) * 400
    for serial in range(1, 201):
        crowd.run(serial, 1, data)
    assert {each.output for each in crowd.wait_for(*range(1, 201))} == {data}
    assert crowd.call(500, 2).outcome == FAILED


def test_a_pascal_task_can_use_all_of_the_agent(
    crowd: Driver, pascal: Path, tmp_path: Path
) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"geometry")
    crowd.data = lambda _: str(blob)
    crowd.offer(1, pascal, "Ask")
    for serial in range(1, 17):
        crowd.run(serial)
    outputs = {each.output for each in crowd.wait_for(*range(1, 17))}
    text = f"{tmp_path}/".encode()
    (output,) = outputs
    *answers, starts, size = struct.unpack_from("<6I", output)
    # version, go on, wrong session, length of the data
    assert answers == [0x00010001, 0, 1, 8]
    assert starts >= 1  # the library may have served an earlier host of this process
    assert output[24:] == text
    assert size == len(text)


def test_a_pascal_task_stops_when_it_is_cancelled(driver: Driver, pascal: Path) -> None:
    driver.offer(1, pascal, "RunUntilStopped")
    driver.run(1)
    wait_until(driver.running, 10, "the task to run")
    driver.cancel(1)
    assert driver.wait_for(1)[0].outcome == CANCELLED


@pytest.mark.parametrize("seed", range(20))
def test_streams_made_in_pascal_do_what_the_model_does(
    driver: Driver, pascal: Path, seed: int
) -> None:
    driver.offer(1, pascal, "PlayOnOwnStream")
    chance, model, script = random.Random(seed), Model(), b""
    for _ in range(200):
        what, count = chance.randrange(10), chance.randrange(2000)
        script += struct.pack("<BI", what, count)
        steps = (
            lambda n: model.write(bytes([65 + n % 26]) * n),
            model.read,
            model.seek,
            model.skip,
            model.set_length,
            model.grow_to_pos,
            lambda _: model.grow_to_pos(-1),
            lambda _: model.clear(None),
            lambda _: model.fast_clear(None),
            lambda _: model.compact(None),
        )
        steps[what](count)
    expected = struct.pack("<I", model.position) + bytes(model.data)
    assert driver.call(1, data=script).output == expected


def test_structures_are_laid_out_as_in_the_headers(tmp_path: Path) -> None:
    target = building.pascal_module(tmp_path, building.MODULES / "pascalsizes.pas")
    lines = subprocess.run([target], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "62 20 22 26 46 54 57 61"
    assert lines[1] == "74 22 46 48 57 69 73"
    assert lines[2] == "5 1"
    assert int(lines[3]) >= 40  # room for the mutex that is behind it


def test_a_task_written_for_the_original_compiles_and_runs(driver: Driver, tmp_path: Path) -> None:
    compat = building.ROOT / "native" / "pascal" / "compat"
    module = building.pascal_module(tmp_path, building.MODULES / "originaltask.pas", f"-Fu{compat}")
    driver.offer(1, module, "RunTask")
    expected = struct.pack("<II4s", 5, 4, b"done")
    assert driver.call(1, data=struct.pack("<I", 5)).output == expected
