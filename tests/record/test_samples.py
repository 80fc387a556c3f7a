"""Samples in a run's file: exact, narrow, checked."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray

from workbench.record.samples import BLOCK_BYTES, build_samples, read_samples

RNG = np.random.default_rng(0)
CASES = {
    "pictures": (RNG.integers(0, 256, (40, 9)) / 255.0, "u1", 255.0),
    "digits": (RNG.integers(0, 17, (40, 9)) / 16.0, "u1", 16.0),
    "bytes": (RNG.integers(0, 256, (40, 9)).astype(float), "u1", 1.0),
    "signs": (np.where(RNG.random((40, 2)) < 0.5, -1.0, 1.0), "i1", 1.0),
    "whole": (RNG.integers(-3000, 3000, (40, 2)).astype(float), "i2", 1.0),
    "single": (RNG.standard_normal((40, 3)).astype("f4").astype(float), "f4", 1.0),
    "double": (RNG.standard_normal((40, 3)), "f8", 1.0),
    "negative zero": (np.array([[0.0, -0.0], [1.0, 2.0]]), "f4", 1.0),
    "not finite": (np.array([[np.nan, np.inf], [1.0, -np.inf]]), "f4", 1.0),
    "large": (np.array([[1e300, 0.0], [255.0, 1.0]]), "f8", 1.0),
    "last differs": (np.append(np.zeros((BLOCK_BYTES // 8 + 3, 1)), [[0.3]], axis=0), "f8", 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_every_value_comes_back_bit_for_bit_from_the_narrowest_type(tmp_path, name):
    x, kind, divisor = CASES[name]
    y = np.ones(len(x))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        build_samples(file.create_group("data"), x, y)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        dataset = file["data/x"]
        assert dataset.dtype == np.dtype(kind)
        assert dataset.attrs.get("divisor", 1.0) == divisor
        assert dataset.fletcher32
        found = read_samples(dataset)
        assert found.dtype == np.float64
        assert found.tobytes() == x.tobytes()
        assert read_samples(file["data/y"]).tobytes() == y.tobytes()


def test_other_types_stay_and_empty_ones_are_written(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        build_samples(file.create_group("data"), np.zeros((0, 2)), np.arange(3, dtype="i4"))
        assert read_samples(file["data/x"]).shape == (0, 2)
        assert read_samples(file["data/y"]).dtype == np.int32


def test_xarray_opens_them_with_their_axes_and_pictures_in_0_to_1(tmp_path):
    x = CASES["pictures"][0]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        build_samples(file.create_group("data"), x, np.ones(40))
    with xarray.open_dataset(tmp_path / "a.h5", group="data", engine="h5netcdf") as data:
        assert data["x"].dims == ("point", "x_axis_1")
        assert np.allclose(data["x"], x, rtol=1e-6)


def test_numbers_that_are_others_than_were_written_are_seen(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        build_samples(file.create_group("data"), CASES["double"][0], np.ones(40))
        file["data/x"][3, 1] += 1e-16
        file["data/x"][5, 1] = 0.25
        with pytest.raises(ValueError, match="/data/x does not hold its checksum"):
            read_samples(file["data/x"])
