"""Exports of a study: each format gives the data set back, whole and in blocks, also to other readers."""

from __future__ import annotations

import csv
import json

import h5py
import netCDF4
import numpy as np
import pytest
import xarray

import workbench
from tests.study.written import written_study
from workbench.errors import BadInput
from workbench.study import export
from workbench.study.export import blocks_of, export_study
from workbench.study.stored import StoredStudy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study with numbers, truth values and texts as keys, one of its shards not begun."""
    return written_study(
        tmp_path_factory.mktemp("runs"),
        without=(1,),
        grid={"init.seed": [3, 4, 5], "record.theta": [True, False]},
        zip={"train.lr": [1e-3, 1e-4], "model.signs": ["plus", "random"]},
        study={"members": 12},
    )


@pytest.fixture(params=[64 * 2**20, 256], ids=["whole", "blocks"])
def block(request, monkeypatch):
    """All at once, and in blocks of very few numbers."""
    monkeypatch.setattr(export, "BLOCK_BYTES", request.param)
    return request.param


def test_netcdf_is_the_data_set(folder, tmp_path, block):
    told, suffix = [], "nc" if block > 256 else "h5"
    left_out = export_study(StoredStudy(folder), tmp_path / f"x.{suffix}", progress=told.append)
    assert (left_out, told[-1]) == ([], 1.0)
    assert told == sorted(told)
    expected = workbench.open_study(folder).load()
    with xarray.open_dataset(tmp_path / f"x.{suffix}", engine="h5netcdf") as read:
        xarray.testing.assert_identical(read.load(), expected)
        assert read["record.theta"].dtype == bool
        assert read.status.values[0, 0, 0, 0] in ("finished", "stalled", "diverged")


def test_other_readers_of_netcdf_and_hdf5(folder, tmp_path):
    expected = workbench.open_study(folder)
    export_study(StoredStudy(folder), tmp_path / "x.nc")
    with netCDF4.Dataset(tmp_path / "x.nc") as file:
        assert set(file.dimensions) == set(map(str, expected.dims))
        assert file["log_risk"].dimensions == expected.log_risk.dims
        assert np.array_equal(file["log_risk"][:].filled(np.nan), expected.log_risk, equal_nan=True)
        assert file["status"][0, 0, 0, 0] == expected.status.values[0, 0, 0, 0]
        assert file["log_risk"].long_name == "natural logarithm of the risk 𝓛"
    with h5py.File(tmp_path / "x.nc") as file:
        assert file["member"].dims[0][0].name == "/" + expected.member.dims[0]


@pytest.mark.usefixtures("block")
def test_csv_has_a_row_a_member(folder, tmp_path):
    left_out = export_study(StoredStudy(folder), tmp_path / "x.csv")
    dataset = workbench.open_study(folder)
    with open(tmp_path / "x.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == dataset.member.size
    assert any("'log_risk'" in sentence for sentence in left_out)
    flat = dataset.drop_dims("step").stack(row=dataset.member.dims).transpose("row", ...)
    for k, row in enumerate(rows):
        here = flat.isel(row=k)
        assert row["init.seed"] == str(int(here["init.seed"]))
        assert row["record.theta"] == str(bool(here["record.theta"]))
        assert (row["train.lr"], row["model.signs"]) == (
            repr(float(here["train.lr"])),
            here["model.signs"].item(),
        )
        assert row["status"] == here.status.item()
        for column, value in (
            ("member", here.member),
            ("last_log_risk", here.last_log_risk),
            ("saddle_escape_step_2", here.saddle_escape_step.sel(saddle=2)),
            ("saddle_target_direction_1_1", here.saddle_target_direction[0, 1]),
            ("theta_7", here.theta[7]),
        ):
            if np.isnan(value):
                assert row[column] == ""
            else:
                assert float(row[column]) == float(value)
        assert row["saddle_verdict_1"] == here.saddle_verdict[0].item()


@pytest.mark.usefixtures("block")
def test_npz_has_an_array_a_variable(folder, tmp_path):
    export_study(StoredStudy(folder), tmp_path / "x.npz")
    dataset = workbench.open_study(folder)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as read:
        for name, variable in dataset.variables.items():
            values = read[name]
            numbers = values.dtype.kind == "f"
            assert np.array_equal(values, variable.values, equal_nan=numbers), name
        named = json.loads(read["dimensions"].item())
        assert tuple(named["log_risk"]) == dataset.log_risk.dims
        assert json.loads(read["attributes"].item())["study_id"] == folder.name


def test_blocks_part_an_array_in_order(monkeypatch):
    monkeypatch.setattr(export, "BLOCK_BYTES", 100)
    array = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    for shape in ((3, 4, 5), (60,), (5, 12), (2, 30), ()):
        whole = array.reshape(shape) if shape else np.array(7)
        parts = [whole[block].ravel() for block in blocks_of(shape, 8)]
        assert (np.concatenate(parts) == whole.ravel()).all()
        assert len(shape) == 0 or all(part.nbytes <= 100 for part in parts)


def test_refusals(folder, tmp_path):
    study = StoredStudy(folder)
    with pytest.raises(BadInput, match=r"unknown export format '\.txt'"):
        export_study(study, tmp_path / "x.txt")
    with pytest.raises(BadInput, match="no folder"):
        export_study(study, tmp_path / "no" / "x.nc")
    with pytest.raises(BadInput, match="lies in the study itself"):
        export_study(study, folder / "shards" / "0000.h5")
    assert not list(tmp_path.iterdir())
