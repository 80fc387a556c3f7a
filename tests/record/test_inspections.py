"""Inspections in a run's file: what is kept comes back, whatever happens to the file in between."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from record import sample_run
from record.sample_run import inspection, outcome

from workbench.errors import StorageError
from workbench.protocol.status import RunStatus
from workbench.record.export import export_run
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.record.tables import TABLES, path_of


def kept_in(folder: Path):
    with RunReader(folder) as reader:
        assert sample_run.check(reader) == []
        return [(kept.step, kept.outcome and kept.outcome.step) for kept in reader.inspections()]


def with_three(folder: Path) -> RunStore:
    """Records up to 99, inspections of 10, 50 and 90, the first two decided."""
    store = sample_run.create(folder)
    store.append(sample_run.rows(0, 100))
    for step in (10, 50, 90):
        store.keep(inspection(step))
    store.keep(outcome(10, 40))
    store.keep(outcome(50, 80))
    store.commit()
    return store


def test_they_come_back_in_every_number(tmp_path: Path) -> None:
    store = with_three(tmp_path)
    assert kept_in(tmp_path) == [(10, 40), (50, 80), (90, None)]
    store.close()
    assert kept_in(tmp_path) == [(10, 40), (50, 80), (90, None)]


def test_nothing_shows_before_the_commit(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    store.keep(inspection(0))
    assert kept_in(tmp_path) == []
    store.commit()
    assert kept_in(tmp_path) == [(0, None)]
    store.close()


def test_of_two_of_one_step_the_later_is_kept(tmp_path: Path) -> None:
    store = with_three(tmp_path)
    other = replace(inspection(50), verdict="minimum", points=inspection(3).points)
    store.keep(other)
    store.commit()
    with RunReader(tmp_path) as reader:
        found = reader.inspections()
        assert [kept.step for kept in found] == [10, 50, 90]
        assert found[1].verdict == "minimum"
        assert found[1].outcome is None
        assert sample_run.alike(found[1], other)
    assert store.finish(RunStatus.FINISHED) is None
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["inspections/step"][:].tolist() == [10, 50, 90]
        assert file["inspections/n_committed"][:].tolist() == [3, 2 + 3 + 2, 15, 1]


def test_a_resume_forgets_what_is_past_its_step(tmp_path: Path) -> None:
    store = with_three(tmp_path)
    store.truncate(86, past=85)
    assert kept_in(tmp_path) == [(10, 40), (50, 80)]
    store.truncate(71, past=79)
    assert kept_in(tmp_path) == [(10, 40), (50, None)]
    assert store.n_committed == 71
    store.keep(outcome(50, 75))
    store.keep(inspection(77))
    store.commit()
    assert kept_in(tmp_path) == [(10, 40), (50, 75), (77, None)]
    store.truncate(0)
    assert kept_in(tmp_path) == []
    store.keep(outcome(50, 75))  # of an inspection that is forgotten
    store.commit()
    assert kept_in(tmp_path) == []
    store.close()


def test_events_and_records_can_be_forgotten_from_different_steps_on(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 100))
    for step in (40, 50, 51, 57, 58):
        store.event(step, "note", "")
    store.truncate(51, past=57)
    with RunReader(tmp_path) as reader:
        assert reader.n_records == 51
        assert [event.step for event in reader.events()] == [40, 50, 51, 57]
    store.close()


def test_finished_and_carried_on(tmp_path: Path) -> None:
    store = with_three(tmp_path)
    assert store.finish(RunStatus.FINISHED) is None
    assert kept_in(tmp_path) == [(10, 40), (50, 80), (90, None)]
    again = RunStore.reopen(tmp_path)
    again.keep(outcome(90, 95))
    again.append(sample_run.rows(100, 20))
    again.keep(inspection(110))
    assert again.finish(RunStatus.FINISHED) is None
    assert kept_in(tmp_path) == [(10, 40), (50, 80), (90, 95), (110, None)]


def make_old(folder: Path) -> None:
    """As a file was before there were inspections."""
    with h5py.File(folder / "run.h5", "r+") as file:
        del file["inspections"]


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_from_before_is_read_resumed_and_exported(tmp_path: Path, packed: bool) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    store = sample_run.create(folder)
    store.append(sample_run.rows(0, 300))
    store.event(7, "note", "old")
    if packed:
        assert store.finish(RunStatus.FINISHED) is None
    else:
        store.close()
    make_old(folder)
    assert kept_in(folder) == []
    for suffix in (".h5", ".nc", ".csv", ".npz"):
        export_run(folder, tmp_path / f"out{suffix}")
    assert (tmp_path / "out.h5").stat().st_size > 20
    again = RunStore.reopen(folder, direction_width=2)
    assert again.n_committed == 300
    again.append(sample_run.rows(300, 10))
    again.keep(inspection(303))
    assert again.finish(RunStatus.FINISHED) is None
    assert kept_in(folder) == [(303, None)]
    with RunReader(folder) as reader:
        assert reader.n_records == 310
        assert [event.text for event in reader.events()] == ["old"]


def without_intervals(kept):
    """As a file of before there were intervals gives an inspection back."""
    own = {
        spec.name: np.full(len(kept.neurons.index), np.nan)
        for spec in TABLES["neurons"]
        if spec.later
    }
    return replace(kept, neurons=replace(kept.neurons, **own), runner_up=-1, last_step=-1)


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_of_before_there_were_intervals_is_read_resumed_and_exported(
    tmp_path: Path, packed: bool
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    store = with_three(folder)
    if packed:
        assert store.finish(RunStatus.FINISHED) is None
    else:
        store.close()
    with h5py.File(folder / "run.h5", "r+") as file:
        for table, specs in TABLES.items():
            for spec in specs:
                if spec.later:
                    del file[f"{path_of(table)}/{spec.name}"]
    with RunReader(folder) as reader:
        first, second, _ = reader.inspections()
    assert sample_run.alike(replace(first, outcome=None), without_intervals(inspection(10)))
    assert (second.outcome.time_inside, second.outcome.angle_inside) == (-1, -1)
    assert second.outcome.time_error == outcome(50, 80).time_error
    for suffix in (".h5", ".nc", ".npz"):
        export_run(folder, tmp_path / f"out{suffix}")
    again = RunStore.reopen(folder, direction_width=2)
    again.append(sample_run.rows(100, 20))
    again.keep(inspection(110))
    again.keep(outcome(90, 115))
    assert again.finish(RunStatus.FINISHED) is None
    with RunReader(folder) as reader:
        found = reader.inspections()
    assert [kept.step for kept in found] == [10, 50, 90, 110]
    assert sample_run.alike(replace(found[0], outcome=None), without_intervals(inspection(10)))
    assert sample_run.alike(found[3], inspection(110))
    assert found[2].outcome == outcome(90, 115)


def test_directions_that_are_not_known_are_left_out(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path, attributes={}, x=None, y=None, series=[SeriesLayout("rho")])
    store.append({"step": np.arange(3), "rho": np.ones(3)})
    store.keep(inspection(3))
    store.close()
    with RunReader(tmp_path) as reader:
        (found,) = reader.inspections()
        assert found.points.direction.shape == (3, 0)
        np.testing.assert_array_equal(found.points.value, inspection(3).points.value)
        assert reader.direction_width is None
    again = RunStore.reopen(tmp_path, direction_width=2)
    again.keep(inspection(2))
    again.close()
    with RunReader(tmp_path) as reader:
        first, second = reader.inspections()
        assert sample_run.alike(first, inspection(2))
        assert np.isnan(second.points.direction).all()


def test_shorter_directions_fit_and_come_back(tmp_path: Path) -> None:
    """A file laid out for directions of the whole θ takes those of single neurons."""
    store = with_three(tmp_path)
    one = inspection(91)
    narrow = replace(one.points, direction=np.linspace(0.1, 1.0, 3)[:, None])
    store.keep(replace(one, points=narrow))
    store.close()
    with RunReader(tmp_path) as reader:
        found = reader.inspections()
    assert found[-1].points.direction.tolist() == narrow.direction.tolist()
    assert found[0].points.direction.shape == inspection(10).points.direction.shape


def test_a_longer_direction_is_refused(tmp_path: Path) -> None:
    store = with_three(tmp_path)
    points = replace(inspection(3).points, direction=np.ones((3, 5)))
    store.keep(replace(inspection(3), points=points))
    with pytest.raises(StorageError, match="KKT directions"):
        store.commit()
    assert kept_in(tmp_path) == [(10, 40), (50, 80), (90, None)]


def test_what_a_full_disk_kept_out_is_carried_over(tmp_path: Path) -> None:
    store = with_three(tmp_path)
    store.keep(outcome(90, 95))
    store.keep(inspection(99))

    def full(*counts: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store._commit = full  # type: ignore[method-assign]
    with pytest.raises(StorageError, match="full"):
        store.commit()
    mended = RunStore.reopen(tmp_path)
    mended.carry_over(store)
    assert kept_in(tmp_path) == [(10, 40), (50, 80), (90, 95), (99, None)]
    mended.close()


def test_a_copy_that_lacks_an_inspection_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.record import compact

    store = with_three(tmp_path)
    monkeypatch.setattr(compact, "fill_tables", lambda file, inspections: None)
    note = store.finish(RunStatus.FINISHED)
    assert note is not None
    assert "not what was to be copied" in note
    assert kept_in(tmp_path) == [(10, 40), (50, 80), (90, None)]


def check_opened(read, table: str) -> None:
    """What xarray or h5py read of the three against what was kept."""
    if table == "inspections":
        assert read("step").tolist() == [10, 50, 90]
        assert read("verdict").tolist() == [b"saddle"] * 3
        assert read("complete").tolist() == [int(s % 3 > 0) for s in (10, 50, 90)]
        assert np.isnan(read("radius")).all()
    if table == "inspections/points":
        assert read("inspection").tolist() == [0, 0, 1, 1, 2, 2]
        np.testing.assert_array_equal(read("direction")[2:4], inspection(50).points.direction)
    if table == "inspections/neurons":
        assert read("inspection").tolist() == [0] * 5 + [1] * 5 + [2] * 5
        np.testing.assert_array_equal(read("norm")[5:10], inspection(50).neurons.norm)
        assert np.isinf(read("escape_time")[2])
    if table == "inspections/outcomes":
        assert read("step").tolist() == [40, 80]
        assert read("text").tolist() == [b"of 10 at 40", b"of 50 at 80"]


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("table", list(TABLES))
def test_xarray_and_h5py_read_them_without_our_code(tmp_path: Path, table: str, live: bool) -> None:
    store = with_three(tmp_path)
    path = tmp_path / "run.h5"
    more = {"driver_kwds": {"swmr": True}} if live else {}
    if not live:
        store.finish(RunStatus.FINISHED)
    else:
        store.close()
    group = path_of(table)
    with xarray.open_dataset(path, group=group, engine="h5netcdf", **more) as data:
        check_opened(lambda name: data[name].values, group)
        for name, column in data.data_vars.items():
            if name != "n_committed":
                assert {"units", "long_name", "source"} <= set(column.attrs), name
        assert "most" in data.attrs["note"] or table in ("inspections", "outcomes")
        data.drop_dims(["component", "table"], errors="ignore").to_dataframe()
    with h5py.File(path, "r") as file:
        counts = dict(zip(TABLES, file["inspections/n_committed"][()], strict=True))
        check_opened(lambda name: file[group][name][: counts[table]], group)
        assert file["inspections/table"][:].tolist() == [name.encode() for name in TABLES]


def as_bytes(values: np.ndarray) -> np.ndarray:
    """Texts as their bytes: some readers decode them."""
    return np.char.encode(values.astype("U")) if values.dtype.kind in "UO" else values


@pytest.mark.parametrize("suffix", [".h5", ".nc", ".npz"])
def test_exports_hold_them(tmp_path: Path, suffix: str) -> None:
    with_three(tmp_path).close()
    target = tmp_path / f"out{suffix}"
    assert export_run(tmp_path, target) == []
    for table in TABLES:
        group = path_of(table)
        if suffix == ".npz":
            with np.load(target, allow_pickle=False) as data:
                prefix = group.replace("/", "_")

                def read(name: str, data=data, prefix=prefix) -> np.ndarray:
                    return as_bytes(data[f"{prefix}_{name}"])

                check_opened(read, group)
            continue
        for engine in ("h5netcdf", "netcdf4"):
            with xarray.open_dataset(target, group=group, engine=engine) as data:
                check_opened(lambda name, data=data: as_bytes(data[name].values), group)


def test_csv_says_that_it_leaves_them_out(tmp_path: Path) -> None:
    with_three(tmp_path).close()
    assert any("3 kept inspections" in s for s in export_run(tmp_path, tmp_path / "out.csv"))


def test_damage_in_the_tables_is_one_sentence_and_leaves_the_records(tmp_path: Path) -> None:
    with_three(tmp_path).finish(RunStatus.FINISHED)
    for change in ("short", "gone", "odd"):
        folder = tmp_path / change
        folder.mkdir()
        shutil.copy(tmp_path / "run.h5", folder)
        with h5py.File(folder / "run.h5", "r+") as file:
            if change == "short":
                file["inspections/points/value"].resize(2, axis=0)
            elif change == "gone":
                del file["inspections/neurons/norm"]
            else:
                file["inspections/n_committed"][:] = [-3, 1, 10**12, 0]
                del file["counters_crc32"]
        with RunReader(folder) as reader:
            assert reader.n_records == 100
            reader.read("margins")
            with pytest.raises(StorageError, match=r"run\.h5"):
                reader.inspections()
