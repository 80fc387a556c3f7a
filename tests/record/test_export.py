"""Exports hold the same numbers as the run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import xarray
from cases import finished
from record import sample_run

from workbench.errors import BadInput, StorageError
from workbench.record.export import CSV_WIDEST, export_run
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.store import RunStore

COUNT = 5000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_run.finished(tmp_path_factory.mktemp("run"), COUNT)


def test_h5_is_a_run_again(run: Path, tmp_path: Path) -> None:
    told: list[float] = []
    assert export_run(run, tmp_path / "out.h5", progress=told.append) == []
    assert told == sorted(told)
    assert told[-1] == 1.0
    with RunReader(tmp_path / "out.h5") as copy, RunReader(run) as reader:
        assert copy.n_records == COUNT
        assert sample_run.check(copy) == []
        assert copy.attributes == reader.attributes
        assert copy.events() == reader.events()
        assert copy.status == "finished"
        np.testing.assert_array_equal(copy.x, sample_run.X)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.h5"]


def test_nc_opens_in_xarray(run: Path, tmp_path: Path) -> None:
    assert export_run(run, tmp_path / "out.nc") == []
    with xarray.open_dataset(tmp_path / "out.nc", engine="h5netcdf") as data:
        steps = np.arange(COUNT)
        np.testing.assert_array_equal(data.step.values, steps)
        for name in sample_run.SHAPES:
            np.testing.assert_array_equal(data[name].values, sample_run.expected(name, steps))
        assert data.neuron_direction.dims == ("step", "neuron", "component")
        assert data.margins.attrs["subset"] == "every second sample"
        assert data["quantile"].values.tolist() == [0.0, 0.5, 1.0]
        assert data.attrs["run_id"] == sample_run.ATTRIBUTES["run_id"]
    with xarray.open_dataset(tmp_path / "out.nc", group="data", engine="netcdf4") as data:
        np.testing.assert_array_equal(data.x.values, sample_run.X)
    with xarray.open_dataset(tmp_path / "out.nc", group="events", engine="netcdf4") as data:
        assert data["step"].values.tolist() == [COUNT - 1]
        assert data["text"].values.tolist() == ["as planned"]


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with held-out samples that met a saddle."""
    settings = ("data.test.split=0.25", "device.engine='eager'")
    return finished(tmp_path_factory.mktemp("inspected"), *settings).folder


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_nc_keeps_the_axes_of_the_run_and_its_texts_are_strings(
    inspected: Path, tmp_path: Path, engine: Literal["h5netcdf", "netcdf4"]
) -> None:
    run = inspected
    export_run(run, tmp_path / "out.nc")
    groups = ("data", "data/test", "events", "inspections", "inspections/points")
    for group in (*groups, "inspections/neurons", "inspections/outcomes", "parameter"):
        inside = "parameters" if group == "parameter" else group
        with (
            xarray.open_dataset(run / "run.h5", group=group, engine="h5netcdf") as kept,
            xarray.open_dataset(tmp_path / "out.nc", group=inside, engine=engine) as data,
        ):
            assert data.variables
            for name, variable in data.variables.items():
                assert variable.dims == kept[name].dims, name
                assert not str(variable.dims).count("phony"), name
                texts = kept[name].dtype.kind == "S"
                assert variable.dtype.kind in ("OU" if texts else "biuf"), name
                expected = np.char.decode(kept[name].values, "utf-8") if texts else kept[name]
                np.testing.assert_array_equal(variable.values, expected, err_msg=str(name))
    with xarray.open_dataset(tmp_path / "out.nc", engine=engine) as data:
        with xarray.open_dataset(run / "run.h5", group="series", engine="h5netcdf") as kept:
            for name in data.variables:
                assert data[name].dims == kept[name].dims, name
        assert data.attrs["name"] == "two-layer-relu"


def test_npz_has_the_names_in_theta(inspected: Path, tmp_path: Path) -> None:
    export_run(inspected, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        assert arrays["parameter_name"].tolist() == ["u", "v"]
        assert arrays["parameter_shape"].tolist() == ["6,2", "6"]
        assert arrays["parameter_offset"].tolist() == [0, 12]


def test_csv_reads_back_exactly(run: Path, tmp_path: Path) -> None:
    left_out = export_run(run, tmp_path / "out.csv")
    assert len(left_out) == 1
    assert "data set" in left_out[0]
    with open(tmp_path / "out.csv", newline="") as stream:
        table = list(csv.reader(stream))
    header, records = table[0], np.array(table[1:], dtype=float)
    assert len(records) == COUNT
    assert "neuron_direction_4_1" in header
    steps = np.arange(COUNT)
    np.testing.assert_array_equal(
        records[:, header.index("neuron_direction_4_1")],
        sample_run.expected("neuron_direction", steps)[:, 4, 1],
    )
    np.testing.assert_array_equal(
        records[:, header.index("log_risk")], sample_run.expected("log_risk", steps)
    )
    assert table[1][header.index("step")] == "0"


def test_csv_leaves_wide_series_out_and_says_so(tmp_path: Path) -> None:
    layouts = [SeriesLayout("rho"), SeriesLayout("margins", (CSV_WIDEST + 1,))]
    store = RunStore.create(tmp_path, attributes={}, x=None, y=None, series=layouts)
    strange = np.array([np.nan, -np.inf, 5e-324])
    store.append({"step": np.arange(3), "rho": strange, "margins": np.ones((3, CSV_WIDEST + 1))})
    store.close()
    left_out = export_run(tmp_path, tmp_path / "out.csv")
    assert len(left_out) == 1
    assert "'margins' has 65 numbers" in left_out[0]
    assert (tmp_path / "out.csv").read_text() == "step,rho\n0,nan\n1,-inf\n2,5e-324\n"


def test_npz_needs_no_pickles(run: Path, tmp_path: Path) -> None:
    assert export_run(run, tmp_path / "out.npz") == []
    with np.load(tmp_path / "out.npz", allow_pickle=False) as data:
        for name in ("step", *sample_run.SHAPES):
            np.testing.assert_array_equal(data[name], sample_run.expected(name, np.arange(COUNT)))
        np.testing.assert_array_equal(data["data_x"], sample_run.X)
        np.testing.assert_array_equal(data["axis_quantile"], sample_run.QUANTILES)
        assert data["events_text"].tolist() == ["as planned"]
        assert json.loads(str(data["attributes"]))["name"] == "sample"


@pytest.mark.parametrize("suffix", [".h5", ".nc", ".csv", ".npz"])
def test_a_run_without_records_exports(tmp_path: Path, suffix: str) -> None:
    sample_run.create(tmp_path).close()
    target = tmp_path / f"out{suffix}"
    target.write_text("an older export")
    export_run(tmp_path, target)
    assert target.stat().st_size > 20


def test_what_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"unknown export format '\.xls'.*\.csv"):
        export_run(run, tmp_path / "out.xls")
    with pytest.raises(BadInput, match="unknown export format"):
        export_run(run, tmp_path / "out")
    with pytest.raises(BadInput, match="no folder"):
        export_run(run, tmp_path / "none" / "out.h5")
    with pytest.raises(BadInput, match="the run itself"):
        export_run(run, run / "run.h5")
    with pytest.raises(StorageError, match="No such file"):
        export_run(tmp_path / "nowhere", tmp_path / "out.h5")
    assert list(tmp_path.iterdir()) == []
