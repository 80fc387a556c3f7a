"""Chunks packed here, against HDF5's own filters: the same numbers, and damage is seen."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from workbench.record.packing import fletcher32, packed, write_packed

OPTIONS = {"compression": "gzip", "shuffle": True, "fletcher32": True}


def kinds() -> dict[str, np.ndarray]:
    """Numbers of every sort: noise, nothing new, slow change, few values, unusual ones."""
    draw = np.random.default_rng(0)
    walk = 1.0 + np.cumsum(1e-6 * draw.normal(size=(700, 5, 2)), axis=0)
    odd = draw.normal(size=(700, 3))
    odd[::7], odd[1::7], odd[2::7], odd[3::7] = np.nan, -np.inf, -0.0, 5e-324
    return {
        "noise": draw.normal(size=(700, 40)),
        "large noise": np.frombuffer(draw.bytes(8 * 30_000), "f8").reshape(1000, 30),
        "constant": np.full(700, 0.1),
        "walk": walk,
        "single": walk.astype("f4"),
        "steps": np.arange(700) * 100,
        "flags": draw.integers(0, 2, size=(700, 9)).astype("u1"),
        "few": draw.integers(0, 5, size=(700, 9)).astype("f8"),
        "odd": odd,
        "one": np.array([1.5]),
    }


def dataset(file: h5py.File, values: np.ndarray, chunk: tuple[int, ...]) -> h5py.Dataset:
    most = (None,) * values.ndim
    return file.create_dataset(
        "a", values.shape, values.dtype, chunks=chunk, maxshape=most, **OPTIONS
    )


@pytest.mark.parametrize("name", kinds())
@pytest.mark.parametrize("rows", [1000, 256, 7])
def test_what_is_packed_here_hdf5_reads(tmp_path: Path, name: str, rows: int) -> None:
    values = kinds()[name]
    chunk = (rows, *(-(-size // 2) for size in values.shape[1:]))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = dataset(file, values, chunk)
        half = len(values) // 2 // rows * rows
        write_packed(made, 0, values[:half])
        write_packed(made, half, values[half:])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["a"][()].tobytes() == values.tobytes()


@pytest.mark.parametrize("name", ["noise", "walk", "steps", "few"])
def test_a_packed_chunk_is_hardly_larger_than_hdf5s(tmp_path: Path, name: str) -> None:
    values = kinds()[name]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = dataset(file, values, values.shape)
        made[:] = values
        assert len(packed(values)) < made.id.get_storage_size() + 0.15 * values.nbytes


@pytest.mark.parametrize("size", [0, 1, 2, 3, 2047, 2048, 2049, 300_001])
def test_the_checksum_is_hdf5s(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    for given in (data, b"\xff" * size, b"\0" * size):
        one = two = 0
        for high, low in zip(given[::2], given[1::2] + b"\0" * (size % 2), strict=True):
            one = (one + (high << 8 | low)) % 65535 or (65535 if one or high or low else 0)
            two = (two + one) % 65535 or (65535 if two or one else 0)
        assert fletcher32(given) == two << 16 | one


def test_every_flipped_bit_is_seen_or_harmless(tmp_path: Path) -> None:
    values = kinds()["walk"]
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        made = dataset(file, values, values.shape)
        write_packed(made, 0, values)
        found = made.id.get_chunk_info(0)
    whole = path.read_bytes()
    refused = 0
    for bit in np.random.default_rng(1).integers(0, 8 * found.size, size=100):
        damaged = bytearray(whole)
        damaged[found.byte_offset + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with h5py.File(path) as file:
            try:
                assert file["a"][()].tobytes() == values.tobytes()
            except OSError:
                refused += 1
    assert refused == 100
