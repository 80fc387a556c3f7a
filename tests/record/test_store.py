"""The writer and its file: what goes in comes out, and the file is what other tools expect."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from record import sample_run

from workbench.errors import BadInput, StorageError
from workbench.protocol.status import RunStatus
from workbench.record import buffer
from workbench.record.chunks import chunk_shape
from workbench.record.layout import SeriesLayout
from workbench.record.lock import RunLock
from workbench.record.reader import RunReader
from workbench.record.schema import SERIES
from workbench.record.store import RunStore


def test_rows_events_and_attributes_come_back(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 10))
    store.event(4, "paused", "a saddle: θ̇ is small")
    store.append(sample_run.rows(10, 1))
    store.commit(sync=True)
    with RunReader(tmp_path) as reader:
        assert reader.n_records == store.n_committed == 11
        assert sample_run.check(reader) == []
        event = reader.events()[0]
        assert (event.step, event.kind, event.text) == (4, "paused", "a saddle: θ̇ is small")
        wanted = {key: value for key, value in sample_run.ATTRIBUTES.items() if value != ""}
        assert wanted.items() <= dict(reader.attributes).items()
        assert reader.attributes["schema_version"] == 1
        assert reader.config_text == sample_run.CONFIG
        np.testing.assert_array_equal(reader.x, sample_run.X)
        np.testing.assert_array_equal(reader.y, sample_run.Y)
        assert reader.spec("margins") == SERIES["margins"]
        assert reader.layout("margins").attributes == {"subset": "every second sample"}
        np.testing.assert_array_equal(reader.coordinate("quantile"), sample_run.QUANTILES)
    store.close()


def test_records_wait_in_the_buffer_until_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(buffer, "BUFFER_SECONDS", 1e9)
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, buffer.BUFFER_RECORDS - 1))
    assert store.n_committed == 0
    store.append(sample_run.rows(buffer.BUFFER_RECORDS - 1, 1))
    assert store.n_committed == buffer.BUFFER_RECORDS
    monkeypatch.setattr(buffer, "BUFFER_SECONDS", 0.0)
    store.append(sample_run.rows(buffer.BUFFER_RECORDS, 1))
    assert store.n_committed == buffer.BUFFER_RECORDS + 1
    store.close()


def test_the_callers_array_may_be_reused_at_once(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    rows = sample_run.rows(0, 5)
    store.append(rows)
    for name, values in rows.items():
        if name != "step":
            values[...] = -1
    store.close()
    with RunReader(tmp_path) as reader:
        assert sample_run.check(reader) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.pop("margins"), "margins"),
        (lambda rows: rows.update(rho=np.zeros(3)), "rho"),
        (lambda rows: rows.update(margins=np.zeros((3, 2))), "margins"),
        (lambda rows: rows.update(step=np.array([1, 1, 2])), "rise"),
        (lambda rows: rows.update(step=np.array([-5, 1, 2])), "rise"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, change, says: str) -> None:
    store = sample_run.create(tmp_path)
    rows = sample_run.rows(0, 3)
    change(rows)
    with pytest.raises(ValueError, match=says):
        store.append(rows)
    store.append(sample_run.rows(0, 3))
    store.close()
    with RunReader(tmp_path) as reader:
        assert reader.n_records == 3


def test_layouts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    def create(*series: SeriesLayout, **coordinates: np.ndarray) -> None:
        RunStore.create(
            tmp_path, attributes={}, x=None, y=None, series=series, coordinates=coordinates
        )

    with pytest.raises(BadInput, match="unknown series 'margin'"):
        create(SeriesLayout("margin"))
    with pytest.raises(BadInput, match="axes"):
        create(SeriesLayout("margins"))
    with pytest.raises(BadInput, match="'neuron' has size"):
        create(SeriesLayout("neuron_norm", (9,)), SeriesLayout("neuron_direction", (4, 2)))
    with pytest.raises(BadInput, match="coordinate"):
        create(SeriesLayout("margins", (9,)), sample=np.arange(3))
    assert list(tmp_path.iterdir()) == []
    directions = SeriesLayout("neuron_direction", (4, 2), dims=("neuron_subset", "component"))
    create(SeriesLayout("neuron_norm", (9,)), directions, neuron_subset=np.array([0, 2, 5, 7]))
    with pytest.raises(BadInput, match="never overwritten"):
        create(SeriesLayout("rho"))


def test_chunks_have_bounded_bytes() -> None:
    for packed in (False, True):
        for row in [(), (2,), (5000,), (256, 20), (10_000, 784)]:
            chunk = chunk_shape(row, 8, packed=packed)
            assert len(chunk) == len(row) + 1
            assert 1024 <= 8 * np.prod(chunk) <= 1024 * 1024
            assert chunk[0] * 8 * np.prod(row) >= 8 * np.prod(chunk)


def test_status_changes_while_live_and_truth_is_the_lock(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    with RunLock(tmp_path), RunReader(tmp_path) as reader:
        assert reader.status == "running"
        store.set_status(RunStatus.PAUSED)
        reader.refresh()
        assert reader.status == "paused"
    with RunReader(tmp_path) as reader:
        assert reader.status == "lost"
        store.set_status(RunStatus.STOPPED)
        reader.refresh()
        assert reader.status == "stopped"
    store.close()


def test_truncate_then_record_again(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 500))
    for step in (10, 100, 200, 300):
        store.event(step, "note", f"at {step}")
    store.truncate(200)
    assert (store.n_committed, store.last_step) == (200, 199)
    with RunReader(tmp_path) as reader:
        assert sample_run.check(reader) == []
        assert [event.step for event in reader.events()] == [10, 100, 200]
    store.append(sample_run.rows(200, 50))
    store.event(240, "note", "again")
    store.truncate(10_000)
    with RunReader(tmp_path) as reader:
        assert reader.n_records == 250
        assert sample_run.check(reader) == []
        assert [event.step for event in reader.events()] == [10, 100, 200, 240]
    store.truncate(0)
    assert (store.n_committed, store.last_step) == (0, -1)
    store.close()


def test_finished_file_is_compressed_and_plain(tmp_path: Path) -> None:
    sample_run.finished(tmp_path, 3000)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run.h5"]
    with h5py.File(tmp_path / "run.h5", "r") as file:
        assert file.attrs["status"] == "finished"
        assert file["series/margins"].compression == "gzip"
        assert file["series/margins"].dims[0][0].name == "/series/step"
        assert int(file["n_committed"][()]) == 3000
    data = xarray.open_dataset(tmp_path / "run.h5", group="series", engine="h5netcdf")
    with data:
        assert data.neuron_direction.dims == ("step", "neuron", "component")
        assert data.margins_quantiles.coords["quantile"].values.tolist() == [0.0, 0.5, 1.0]
        assert data.margins.attrs["source"] == SERIES["margins"].source
        np.testing.assert_array_equal(
            data.margins.values, sample_run.expected("margins", np.arange(3000))
        )
    for group in ("data", "events"):
        xarray.open_dataset(tmp_path / "run.h5", group=group, engine="h5netcdf").close()


def test_finished_run_can_be_carried_on(tmp_path: Path) -> None:
    sample_run.finished(tmp_path, 300)
    store = RunStore.reopen(tmp_path)
    assert (store.n_committed, store.last_step) == (300, 299)
    store.append(sample_run.rows(300, 40))
    store.event(310, "note", "carried on")
    store.commit()
    with RunReader(tmp_path) as reader:
        assert reader.n_records == 340
        assert sample_run.check(reader) == []
        assert [event.kind for event in reader.events()] == ["finished", "note"]
    assert store.finish(RunStatus.FINISHED) is None
    with RunReader(tmp_path) as reader:
        assert reader.status == "finished"
        assert sample_run.check(reader) == []
        np.testing.assert_array_equal(reader.x, sample_run.X)
        assert reader.layout("margins").attributes == {"subset": "every second sample"}


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StorageError, match="closed"):
        store.append(sample_run.rows(0, 1))
    with pytest.raises(StorageError, match="No such file"):
        RunStore.reopen(tmp_path / "nowhere")


def test_texts_are_cut_between_characters_and_cleaned(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    store.event(0, "k" * 100, "a" * 511 + "é")
    store.event(1, "note", "\x1b[31mred\x07\nsecond line\x00end")
    store.finish(RunStatus.FINISHED)
    with RunReader(tmp_path) as reader:
        first, second = reader.events()
        assert len(first.kind.encode()) <= 32
        assert first.text == "a" * 511
        assert second.text == " [31mred  second line end"


LOOK = """
import sys, h5py, numpy, xarray
from record import sample_run
with h5py.File(sys.argv[1], "r", swmr=True) as file:
    n = int(file["n_committed"][()])
live = {"engine": "h5netcdf", "driver_kwds": {"swmr": True}}
data = xarray.open_dataset(sys.argv[1], group="series", **live)
assert int(data.n_committed) >= n
data = data.isel(step=slice(n))
assert data.margins.dims == ("step", "sample"), data
assert numpy.array_equal(data.step.values, numpy.arange(n))
for name in sample_run.SHAPES:
    assert numpy.array_equal(data[name].values, sample_run.expected(name, data.step.values)), name
print(n)
"""


def test_a_live_run_opens_in_xarray_elsewhere(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("HDF5_USE_FILE_LOCKING", None)
    with RunLock(tmp_path):
        seen = []
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-c", LOOK, str(store.path)],
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
            )
            while process.poll() is None:
                store.append(sample_run.rows(store.last_step + 1, 7))
                store.commit(sync=store.last_step % 5 == 0)
                time.sleep(0.002)
            assert process.returncode == 0
            assert process.stdout is not None
            seen.append(int(process.stdout.read()))
            process.stdout.close()
    assert 0 < seen[0] < seen[1] <= store.n_committed
    store.close()


def test_a_reader_in_the_same_process_follows(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    with RunLock(tmp_path), RunReader(tmp_path) as reader:
        for turn in range(1, 30):
            store.append(sample_run.rows(store.last_step + 1, 13))
            store.commit()
            assert reader.refresh() == 13 * turn
            assert sample_run.check(reader) == []
    store.close()
