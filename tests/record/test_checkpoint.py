"""Checkpoints come back bit for bit, or not at all."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import BadInput, StorageError
from workbench.record.checkpoint import (
    checkpoint_path,
    latest_checkpoint,
    list_checkpoints,
    load_checkpoint,
    newest_good,
    prune_checkpoints,
    save_checkpoint,
)

GENERATOR = np.random.default_rng(0)
ARRAYS = {
    "theta": GENERATOR.standard_normal(1000),
    "momentum/first": GENERATOR.standard_normal((3, 4)).astype(np.float32),
    "rng": GENERATOR.integers(0, 256, 5056).astype(np.uint8),
    "count": np.array(7, dtype=np.int64),
    "mask": np.array([True, False]),
    "none": np.empty((0, 3)),
    "strange": np.array([np.nan, -0.0, np.inf, 5e-324]),
    "turned": GENERATOR.standard_normal((5, 6)).T,
    "complex": np.array([1 + 2j]),
}
ATTRIBUTES = {
    "engine": "eager",
    "lr": 0.1 + 0.2,
    "step_count": 2**100 + 1,
    "warm": True,
    "tiny": 5e-324,
    "text": "a\0b\n\ud800é" + "x" * 100_000,
}


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 5000, ARRAYS, ATTRIBUTES)
    found = load_checkpoint(path)
    assert found.step == 5000
    assert found.attributes == ATTRIBUTES
    assert isinstance(found.attributes["warm"], bool)
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["ck_000000005000.h5"]


def test_a_flipped_bit_is_never_loaded_as_something_else(tmp_path: Path) -> None:
    small = {"theta": ARRAYS["theta"], "rng": ARRAYS["rng"]}
    path = save_checkpoint(tmp_path, 1, small, {"lr": 0.5})
    data, rng = path.read_bytes(), random.Random(3)
    refused = 0
    for _ in range(150):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            found = load_checkpoint(path)
        except StorageError as error:
            refused += path.name in str(error)
        else:
            assert found.attributes == {"lr": 0.5}
            assert all(found.arrays[key].tobytes() == small[key].tobytes() for key in small)
    assert refused > 75


@pytest.mark.parametrize("cut", [0, 10, 100, 0.5, 0.99])
def test_a_torn_checkpoint_is_refused(tmp_path: Path, cut: float) -> None:
    path = save_checkpoint(tmp_path, 1, ARRAYS, {})
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data)) if isinstance(cut, float) else cut])
    with pytest.raises(StorageError, match="ck_"):
        load_checkpoint(path)


def test_latest_falls_back_to_one_that_verifies(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    for step in (100, 200, 1000):
        save_checkpoint(tmp_path, step, {"theta": np.full(50, float(step))}, {})
    (tmp_path / "checkpoints" / "ck_000000002000.h5.tmp").write_bytes(b"torn")
    assert [step for step, _ in list_checkpoints(tmp_path)] == [100, 200, 1000]
    newest = checkpoint_path(tmp_path, 1000)
    newest.write_bytes(newest.read_bytes()[:-100])
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == found.arrays["theta"][0] == 200
    good, refused = newest_good(tmp_path)
    assert good is not None
    assert (good.step, [(found.step, found.path) for found in refused]) == (200, [(1000, newest)])
    assert newest.name in refused[0].reason


def test_pruning_keeps_the_newest(tmp_path: Path) -> None:
    for step in range(0, 1000, 100):
        save_checkpoint(tmp_path, step, {"theta": np.zeros(2)}, {})
    (tmp_path / "checkpoints" / "ck_000000002000.h5.tmp").write_bytes(b"torn")
    assert prune_checkpoints(tmp_path, 3) == [0, 100, 200, 300, 400, 500, 600]
    assert [step for step, _ in list_checkpoints(tmp_path)] == [700, 800, 900]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    assert prune_checkpoints(tmp_path, 50) == []
    assert prune_checkpoints(tmp_path / "nowhere", 1) == []


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "..", "a/../b", "a\0b"])
def test_names_that_are_no_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        save_checkpoint(tmp_path, 1, {name: np.zeros(1)}, {})


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    for array in (np.array(["a"]), np.array([object()])):
        with pytest.raises(BadInput):
            save_checkpoint(tmp_path, 1, {"a": array}, {})
    assert list_checkpoints(tmp_path) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        save_checkpoint(tmp_path, 1, {"a": np.zeros(1)}, {})
    with pytest.raises(StorageError, match="cannot list the checkpoints"):
        list_checkpoints(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, 1, {"a": np.zeros(1)}, {})
    for number in (errno.EACCES, errno.EIO, errno.ESTALE):

        def refuse(_: Path, number: int = number) -> Iterator[Path]:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "iterdir", refuse)
        for look in (list_checkpoints, newest_good, latest_checkpoint):
            with pytest.raises(StorageError, match=os.strerror(number)):
                look(tmp_path)


def test_a_checkpoint_that_knows_more_than_the_file_is_passed_over(tmp_path: Path) -> None:
    for step in (100, 200):
        save_checkpoint(tmp_path, step, {"recorded_step": np.array(step)}, {})
    good, refused = newest_good(tmp_path, known=150)
    assert good is not None
    assert good.step == 100
    assert "follows a record of step 200, and the file's last is of step 150" in refused[0].reason
