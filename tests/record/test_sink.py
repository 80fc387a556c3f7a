"""Files that HDF5 builds where they find no room: one sentence, no half file, no crash at the exit."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.record.test_durability import run_script
from workbench.record.handle import created
from workbench.record.sink import Sink

KINDS = ["checkpoint", "packed", "plain", "nc"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_limit_at_any_byte_is_a_sentence(tmp_path: Path, kind: str) -> None:
    report = run_script("bounded_files.py", tmp_path, kind, 512, 120_000, 4_001)
    assert report["wrong"] == []
    assert report["refused"] >= 3


@pytest.mark.full
@pytest.mark.parametrize("kind", [*KINDS, "h5", "npz", "csv"])
def test_a_size_limit_at_every_211th_byte_is_a_sentence(tmp_path: Path, kind: str) -> None:
    report = run_script("bounded_files.py", tmp_path, kind, 1, 200_000, 211, timeout=900)
    assert report["wrong"] == []
    assert report["refused"] >= 30


class Full(Sink):
    """Has room for so many bytes."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path)
        self.room = room

    def write(self, data: object) -> int:
        """Refuse what ends past the room."""
        size = len(memoryview(data).cast("B"))
        if self._position + size > self.room and self.failure is None:
            self.failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_what_came_after_a_failed_write_is_found_again(tmp_path: Path) -> None:
    """HDF5 reads back what it has put away; on the disk nothing of it lies."""
    values = np.random.default_rng(0).normal(size=(300, 40))
    with Full(tmp_path / "a", 20_000) as sink:
        with h5py.File(sink, "w") as file:
            for name in ("x", "y"):
                file.create_dataset(name, data=values, chunks=(7, 11))
            file.flush()
        with h5py.File(sink, "r") as file:
            assert np.array_equal(file["x"][()], values)
            assert np.array_equal(file["y"][()], values)
        assert sink.failure is not None
    assert (tmp_path / "a").stat().st_size <= 20_000


def test_a_created_file_says_that_it_has_no_room(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("workbench.record.handle.Sink", lambda path: Full(path, 20_000))
    with pytest.raises(OSError, match="No space"), created(tmp_path / "a") as file:  # noqa: PT012
        file["x"] = np.ones(1_000)
        file.check()
        file["y"] = np.ones(10_000)
    with pytest.raises(OSError, match="No space"), created(tmp_path / "a") as file:  # noqa: PT012
        file["x"] = np.ones(10_000)
        file.flush()
        file.check()


@pytest.mark.parametrize("seed", range(20))
def test_what_is_held_and_what_is_on_the_disk_are_one_file(tmp_path: Path, seed: int) -> None:
    """Small and large writes, reads and changes of size in any order, against bytes in memory."""
    rng = np.random.default_rng(seed)
    plain = io.BytesIO()
    with Sink(tmp_path / "a") as sink:
        for _ in range(300):
            place = int(rng.integers(0, 3_000_000 if seed % 2 else 60_000))
            size = int(rng.integers(1, 70_000 if rng.random() < 0.2 else 600))
            for file in (sink, plain):
                file.seek(place)
            match rng.integers(0, 10):
                case 0:
                    assert sink.truncate(place) == plain.truncate(place) == place
                    # BytesIO does not extend.
                    plain.seek(0, io.SEEK_END)
                    plain.write(bytes(place - plain.tell()))
                case 1 | 2 | 3:
                    assert sink.read(size).ljust(size, b"\0") == plain.read(size).ljust(size, b"\0")
                case _:
                    data = rng.bytes(size)
                    sink.write(data)
                    plain.write(data)
        sink.write_out()
        sink.check()
    assert (tmp_path / "a").read_bytes() == plain.getvalue()


def test_a_file_of_many_headers_takes_few_writes(tmp_path: Path, monkeypatch) -> None:
    calls = []
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *given: (calls.append(given), write(*given))[1])
    with created(tmp_path / "a") as file:
        for number in range(100):
            file.create_dataset(f"series {number}", data=np.arange(5.0)).attrs["units"] = "1"
    assert len(calls) <= 3
    with h5py.File(tmp_path / "a") as file:
        assert len(file) == 100
