"""Large samples: on the disk once for all runs of a folder, whole under kills, and nobody's to take away."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from tests.record.test_durability import run_script
from workbench.errors import StorageError
from workbench.protocol.status import RunStatus
from workbench.record import data_files
from workbench.record.aside import set_aside
from workbench.record.beside import keep_beside
from workbench.record.data_files import POOL, SHARED_FROM, pool_files
from workbench.record.data_files import data_files as files_of
from workbench.record.delete import delete_run
from workbench.record.export import export_run
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.record.summary import summarize

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (300, 30)) / 255.0
Y = np.where(RNG.random(300) < 0.5, -1.0, 1.0)
SERIES = [SeriesLayout("log_risk")]


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of a kilobyte are large."""
    monkeypatch.setattr(data_files, "SHARED_FROM", 1000)


def begun(
    runs: Path, number: int, x: np.ndarray = X, y: np.ndarray = Y, **more: object
) -> RunStore:
    """A run with three records, open."""
    folder = runs / f"20260101-00000{number}-shared-000{number}"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.toml").write_text("")
    attributes = {"run_id": folder.name, "config": "", "created": "2026-01-01T00:00:00"}
    store = RunStore.create(folder, attributes=attributes, x=x, y=y, series=SERIES, **more)
    store.append({"step": np.arange(3), "log_risk": -np.arange(3.0)})
    store.commit(sync=True)
    return store


def made(runs: Path, number: int, *given: np.ndarray, **more: object) -> Path:
    """A finished one."""
    with begun(runs, number, *given, **more) as store:
        store.finish(RunStatus.FINISHED)
    return store.folder


def has_data(run: Path, x: np.ndarray = X) -> bool:
    with RunReader(run) as reader:
        found = reader.x
        return found is not None and found.dtype == x.dtype and found.tobytes() == x.tobytes()


def test_small_samples_stay_in_the_file(tmp_path: Path) -> None:
    x = np.zeros((SHARED_FROM // 8, 8))  # eight times as many bytes as are stored
    x[0, :2] = 0.5, 1e300
    x = x[: SHARED_FROM // 8 // 8 - 1]
    run = made(tmp_path, 1, x, np.zeros(len(x)))
    assert has_data(run, x)
    assert sorted(p.name for p in tmp_path.iterdir()) == [run.name]
    assert not (run / "data").exists()
    with RunReader(run) as reader:
        assert reader.references == []


def test_large_samples_lie_there_once_and_each_run_has_them_by_a_name_of_its_own(
    tmp_path: Path, shared: None
) -> None:
    runs = tmp_path / "runs"
    one, two = made(runs, 1, test=(X[:100], Y[:100])), made(runs, 2)
    assert has_data(one)
    assert has_data(two)
    with RunReader(one) as reader:
        assert reader.test is not None
        assert reader.test[0].tobytes() == X[:100].tobytes()
        assert reader.y is not None
        assert reader.y.tobytes() == Y.tobytes()
        assert reader.n_samples == 300
    (same,) = {path.stat().st_ino for path in [*files_of(one), *files_of(two)]} & {
        path.stat().st_ino for path in files_of(two)
    }
    assert [runs_with for _, _, runs_with in pool_files(runs)].count(2) == 1
    assert same in {path.stat().st_ino for path in (runs / POOL).iterdir()}
    assert all(path.stat().st_mode & 0o222 == 0 for path in files_of(one))
    assert (one / "run.h5").stat().st_size < (two / "run.h5").stat().st_size + 4096
    delete_run(one, runs)
    assert has_data(two)
    assert len(pool_files(runs)) == 1
    delete_run(two, runs)
    assert list((runs / POOL).iterdir()) == []


def test_a_run_that_cannot_be_read_keeps_its_data(tmp_path: Path, shared: None) -> None:
    one, two = made(tmp_path, 1), made(tmp_path, 2)
    whole = (two / "run.h5").read_bytes()
    (two / "run.h5").write_bytes(whole[:500])
    delete_run(one, tmp_path)
    (two / "run.h5").write_bytes(whole)
    assert has_data(two)
    assert has_data(made(tmp_path, 3))
    assert [runs for _, _, runs in pool_files(tmp_path)] == [2]


def test_targets_that_are_the_inputs_are_the_same_file(tmp_path: Path, shared: None) -> None:
    run = made(tmp_path, 1, X, X)
    assert len(files_of(run)) == 1
    with RunReader(run) as reader:
        assert reader.y is not None
        assert reader.y.tobytes() == X.tobytes()


def test_what_differs_in_type_shape_or_divisor_is_another_file(
    tmp_path: Path, shared: None
) -> None:
    for number, x in enumerate(
        (X, X * 255, X.reshape(150, 60), X[:, ::-1], (X * 255).astype("u1"))
    ):
        assert has_data(made(tmp_path, number, x, np.ones(len(x))), x)
    assert len(pool_files(tmp_path)) == 5


def test_others_find_the_numbers_through_run_h5(tmp_path: Path, shared: None) -> None:
    run = made(tmp_path, 1)
    with h5py.File(run / "run.h5", "r") as file:
        assert np.array_equal(file["data/x"][()] / file["data/x"].attrs["divisor"], X)
    with pytest.warns(UserWarning, match="phony_dims"):
        found = xarray.open_dataset(run / "run.h5", group="data", engine="h5netcdf")
    with found:
        assert found["x"].dims[0] == "point"
        assert np.allclose(found["x"], X)


def test_moved_and_copied_folders_and_exports_have_the_data(tmp_path: Path, shared: None) -> None:
    runs = tmp_path / "runs"
    run = made(runs, 1, test=(X[:100], Y[:100]))
    shutil.copytree(run, tmp_path / "copy")
    for suffix in ("h5", "nc", "npz"):
        export_run(run, tmp_path / f"run.{suffix}")
    run.rename(tmp_path / "moved")
    shutil.rmtree(runs)
    assert has_data(tmp_path / "copy")
    assert has_data(tmp_path / "moved")
    assert has_data(tmp_path / "run.h5")
    with RunReader(tmp_path / "run.h5") as reader:
        assert reader.references == []
        assert reader.test is not None
    with np.load(tmp_path / "run.npz") as found:
        assert found["data_x"].tobytes() == X.tobytes()
    with xarray.open_dataset(tmp_path / "run.nc", group="data", engine="h5netcdf") as found:
        assert np.array_equal(found["x"], X)


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) - 3000] ^= 4
    path.chmod(0o600)
    path.write_bytes(raw)


def linked_away(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere.h5")
    path.symlink_to("../elsewhere.h5")


def another(path: Path) -> None:
    path.unlink()
    shutil.copyfile(files_of(made(path.parents[3] / "others", 7, X[:200], Y[:200]))[0], path)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "missing": (
        Path.unlink,
        r"the data of this run lie in '.*\.h5', which is not there; every run",
    ),
    "folder missing": (lambda path: shutil.rmtree(path.parent), "which is not there"),
    "flipped": (flipped, r"\.h5' cannot be read: "),
    "truncated": (lambda path: os.truncate(path, 5000), r"\.h5' cannot be read: "),
    "empty": (lambda path: os.truncate(path, 0), r"\.h5' is "),
    "a link": (linked_away, "which is a link and not followed"),
    "a pipe": (a_pipe, "which is no file and not followed"),
    "another's": (another, "does not hold the data that its name stands for"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_file_that_is_not_right_is_a_sentence_and_the_records_are_read(
    tmp_path: Path, shared: None, name: str
) -> None:
    run = made(tmp_path / "runs", 1)
    damage, sentence = DAMAGES[name]
    damage(files_of(run)[0])
    with RunReader(run) as reader:
        with pytest.raises(StorageError, match=sentence):
            _ = reader.x
        assert np.array_equal(reader.read("log_risk"), [0, -1, -2])
        assert reader.n_samples == 300
        assert reader.y is not None
        export_run(reader, tmp_path / "run.csv")
        with pytest.raises(StorageError, match=sentence):
            export_run(reader, tmp_path / "run.h5")
    assert summarize(run).status is RunStatus.FINISHED
    assert summarize(run).n == 300
    # A run of the same data takes nothing that is not right.
    assert has_data(made(tmp_path / "runs", 2))


def test_links_that_name_another_file_than_the_hash_are_not_followed(
    tmp_path: Path, shared: None
) -> None:
    run = made(tmp_path, 1)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["values"] = np.zeros((300, 30))
    with h5py.File(run / "run.h5", "r+") as file:
        del file["data/x"]
        file["data/x"] = h5py.ExternalLink("../secret.h5", "/values")
    assert has_data(run)
    with pytest.raises(StorageError, match="leads elsewhere"):
        RunStore.reopen(run)
    with h5py.File(run / "run.h5", "r+") as file:
        file["data"].attrs["x_file"] = "0" * 64
    with RunReader(run) as reader, pytest.raises(StorageError, match="checksum"):
        _ = reader.x
    assert summarize(run).status is RunStatus.UNREADABLE


def test_going_on_and_back_keep_the_reference(tmp_path: Path, shared: None) -> None:
    run = made(tmp_path, 1)
    shutil.rmtree(tmp_path / POOL)
    with RunStore.reopen(run) as store:
        store.append({"step": np.arange(3, 5), "log_risk": np.zeros(2)})
    place = set_aside(run, [])
    assert has_data(run)
    assert has_data(place)
    assert files_of(place)[0].samefile(files_of(run)[0])


def test_a_run_whose_folder_is_deleted_while_it_is_written_keeps_its_data(
    tmp_path: Path, shared: None
) -> None:
    store = begun(tmp_path, 1)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    store.append({"step": np.arange(3, 5), "log_risk": np.zeros(2)})
    with pytest.raises(StorageError):
        store.commit()
    place = keep_beside(store)
    assert has_data(place)
    with RunReader(place) as reader:
        assert reader.n_records == 5


@pytest.mark.parametrize("number", [errno.EPERM, errno.EMLINK, errno.EXDEV])
def test_without_hard_links_each_run_has_a_file_of_its_own(
    tmp_path: Path, shared: None, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*given: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    one, two = made(tmp_path, 1), made(tmp_path, 2)
    assert list((tmp_path / POOL).iterdir()) == []
    assert has_data(set_aside(two, []))
    delete_run(one, tmp_path)
    assert has_data(two)


def test_a_pool_that_is_a_link_is_not_used(tmp_path: Path, shared: None) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / POOL).symlink_to("../elsewhere")
    run = made(tmp_path / "runs", 1)
    assert has_data(run)
    delete_run(run, tmp_path / "runs")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_not_the_workbenchs_stays_in_the_pool(tmp_path: Path, shared: None) -> None:
    (tmp_path / POOL).mkdir()
    for name in ("notes.txt", ".fresh.tmp", f"{'a' * 64}.h5x"):
        (tmp_path / POOL / name).write_text("mine")
    (tmp_path / POOL / ".old.tmp").write_text("left")
    os.utime(tmp_path / POOL / ".old.tmp", (0, 0))
    delete_run(made(tmp_path, 1), tmp_path)
    left = sorted(path.name for path in (tmp_path / POOL).iterdir())
    assert left == [".fresh.tmp", f"{'a' * 64}.h5x", "notes.txt"]


def test_eight_that_begin_at_once_share_one_file(tmp_path: Path) -> None:
    assert run_script("kill_sharing.py", tmp_path, "--starters", 8) == {"wrong": [], "files": 8}


def test_a_death_at_any_call_takes_nothing_from_anybody(tmp_path: Path) -> None:
    report = run_script("kill_sharing.py", tmp_path, 37, 3)
    assert report["wrong"] == []
    assert sum(report["struck"].values()) >= 25


def test_a_file_that_is_found_too_early_is_noticed(tmp_path: Path) -> None:
    assert run_script("kill_sharing.py", tmp_path, 67, 0, "--too-early")["wrong"]


@pytest.mark.full
def test_a_death_at_every_call_takes_nothing_from_anybody(tmp_path: Path) -> None:
    report = run_script("kill_sharing.py", tmp_path, 1, 0, timeout=3600)
    assert report["wrong"] == []
    assert sum(report["struck"].values()) >= 900


@pytest.mark.full
def test_three_runs_of_sixty_thousand_pictures_cost_the_disk_once(tmp_path: Path) -> None:
    """Noise, that does not pack: what the disk takes is the pixels' bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (60_000, 784), dtype=np.uint8)
    x, y = pixels / 255.0, (pixels[:, 0] % 10).astype(float)
    used = []
    for number in range(3):
        made(tmp_path, number, x, y)
        blocks = {p.stat().st_ino: p.stat().st_blocks for p in tmp_path.rglob("*") if p.is_file()}
        used.append(512 * sum(blocks.values()))
    assert x.nbytes // 8 < used[0] < 1.02 * x.nbytes // 8
    assert used[2] - used[0] < 2_000_000
