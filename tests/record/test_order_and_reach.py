"""Runs in the order of what their files say, and runs that cannot be entered, which hide no other."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import h5py
import pytest
from record import sample_run

from commands.list_runs import list_runs as list_command
from commands.show import show
from workbench.errors import StorageError
from workbench.protocol.status import RunStatus
from workbench.record import folder as folders
from workbench.record.age import made_at, moment
from workbench.record.delete import delete_run
from workbench.record.folder import create_run_folder, list_runs, resolve_run, run_folders
from workbench.record.store import RunStore
from workbench.record.summary import summarize
from workbench.tui.browse.columns import sorted_runs
from workbench.tui.browse.scan import Shelf, scan_runs

NUMBERS = [errno.EACCES, errno.EIO, errno.ESTALE]


def make(runs: Path, run_id: str, created: str, name: str = "") -> Path:
    """A finished run whose file says when it was made."""
    folder = runs / run_id
    folder.mkdir(parents=True)
    store = RunStore.create(
        folder,
        attributes={**sample_run.ATTRIBUTES, "run_id": run_id, "name": name, "created": created},
        x=sample_run.X,
        y=sample_run.Y,
        series=sample_run.LAYOUTS,
    )
    store.append(sample_run.rows(0, 2))
    assert store.finish(RunStatus.FINISHED) is None
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs, of which the names tell another order than the files."""
    place = tmp_path / "runs"
    make(place, "20260103-000000-a-aaaa", "2026-01-01T00:00:00+00:00", "oldest")
    make(place, "20260102-000000-b-bbbb", "2026-01-01T00:00:00.250+00:00", "middle")
    make(place, "20260101-000000-c-cccc", "2026-01-01T09:00:00+08:00", "newest")
    return place


def names(found: list[Path]) -> list[str]:
    return [summarize(folder).name for folder in found]


def listed(runs: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """What `workbench list --json` prints."""
    import json

    list_command(runs_dir=runs, as_json=True)
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["runs"]
    return found


# --- the order ---


def test_the_files_say_the_order(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = ["newest", "middle", "oldest"]
    assert names(list_runs(runs)) == order
    assert resolve_run("last", runs).name == "20260101-000000-c-cccc"
    assert [run["name"] for run in listed(runs, capsys)] == order
    shelf = Shelf()
    shelf.take(scan_runs(runs, {}))
    assert [run.name for run in sorted_runs(shelf.summaries(), "state", True)] == order


@pytest.mark.parametrize("name", ["zzz", "99991231-235959-x-ffff", "my best run"])
def test_a_renamed_run_or_a_link_is_not_the_last_for_ever(runs: Path, name: str) -> None:
    oldest = runs / "20260103-000000-a-aaaa"
    oldest.rename(runs / name)
    (runs / f"{name}-too").symlink_to(runs / name)
    assert names(list_runs(runs)) == ["newest", "middle", "oldest", "oldest"]
    (runs / "zzzz").symlink_to(runs / "20260101-000000-c-cccc")
    assert resolve_run("last", runs).name == "20260101-000000-c-cccc"
    assert resolve_run(name, runs).name == name


def test_copied_files_keep_their_age(runs: Path) -> None:
    for folder in runs.iterdir():
        stamp = {"a": 3, "b": 2, "c": 1}[folder.name[16]]
        os.utime(folder / "run.h5", (stamp, stamp))
        os.utime(folder, (stamp, stamp))
    assert names(list_runs(runs)) == ["newest", "middle", "oldest"]


def test_moments() -> None:
    assert moment("1970-01-01T00:00:01") == moment("1970-01-01T02:00:01+02:00") == 1.0
    assert moment("1970-01-01T00:00:00.5Z") == 0.5
    for text in ("", "yesterday", "9" * 5000, "9999-99-99", "2026-01-01T00:00:00+99:00"):
        assert moment(text) is None


def test_a_run_that_says_nothing_is_as_old_as_its_configuration(runs: Path) -> None:
    folder = runs / "20260103-000000-a-aaaa"
    with h5py.File(folder / "run.h5", "r+") as file:
        del file.attrs["created"], file.attrs["attributes_crc32"]
    (folder / "config.toml").write_text("")
    os.utime(folder / "config.toml", (5, 5))
    assert made_at(folder) == 5
    assert names(list_runs(runs))[-1] == "oldest"
    (folder / "run.h5").write_bytes(b"torn")
    os.utime(folder / "config.toml", None)
    # The run of a moment ago is the last one even when it is damaged: no other is taken for it.
    assert resolve_run("last", runs) == folder
    assert made_at(runs / "none") == 0.0


def test_a_prefix_of_an_id_is_found_without_opening_a_file(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(folder: Path) -> str:
        raise AssertionError(f"{folder} was opened")

    monkeypatch.setattr(folders, "run_name", opened)
    assert resolve_run("20260102", runs).name == "20260102-000000-b-bbbb"


# --- what cannot be entered ---


def cut_off(monkeypatch: pytest.MonkeyPatch, number: int, place: Path) -> None:
    """Let every system call on what is in a folder fail; with a dead server the folder's own too."""

    def beyond(path: object) -> bool:
        if not isinstance(path, str | os.PathLike):
            return False
        text, here = os.fspath(path), str(place)
        return text.startswith(f"{here}/") or (number != errno.EACCES and text == here)

    for name in ("stat", "lstat", "open", "listdir", "scandir"):
        real = getattr(os, name)

        def call(path: object = ".", *args: object, real: object = real, **more: object) -> object:
            if beyond(path):
                raise OSError(number, os.strerror(number), str(path))
            return real(path, *args, **more)  # type: ignore[operator]

        monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["20260102-000000-b-bbbb", "renamed"])
def test_a_run_that_cannot_be_entered_hides_no_other(
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    name: str,
) -> None:
    closed = runs / name
    (runs / "20260102-000000-b-bbbb").rename(closed)
    os.utime(closed, (1, 1))
    cut_off(monkeypatch, number, closed)
    assert set(run_folders(runs)) == set(list_runs(runs))
    assert len(run_folders(runs)) == 3
    assert resolve_run("last", runs).name == "20260101-000000-c-cccc"
    assert resolve_run("20260103", runs).name == "20260103-000000-a-aaaa"
    assert resolve_run("oldest", runs).name == "20260103-000000-a-aaaa"
    assert resolve_run(name[:8], runs) == closed
    found = {run["run_id"]: run for run in listed(runs, capsys)}
    assert len(found) == 3
    assert found[name]["status"] == "unreadable"
    assert os.strerror(number) in str(found[name]["reason"])
    assert found["20260101-000000-c-cccc"]["status"] == "finished"
    show("20260103", runs_dir=runs)
    assert "oldest" in capsys.readouterr().out
    with pytest.raises(StorageError, match=os.strerror(number)):
        show(name, runs_dir=runs)
    shelf = Shelf()
    shelf.take(scan_runs(runs, {}))
    assert sorted(run.status.value for run in shelf.summaries()) == [
        "finished",
        "finished",
        "unreadable",
    ]
    with pytest.raises(StorageError):
        delete_run(closed, runs)
    monkeypatch.undo()
    assert summarize(closed).name == "middle"


@pytest.mark.parametrize("number", NUMBERS)
def test_checkpoints_that_cannot_be_listed_are_said_by_show(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    folder = runs / "20260103-000000-a-aaaa"
    (folder / "checkpoints").mkdir()
    show("oldest", runs_dir=runs)
    assert "checkpoints\n  none\n" in capsys.readouterr().out
    cut_off(monkeypatch, number, folder / "checkpoints")
    real = os.listdir

    def refuse(path: Path) -> list[str]:
        if path.name == "checkpoints":
            raise OSError(number, os.strerror(number))
        return real(path)

    monkeypatch.setattr(os, "listdir", refuse)
    show("oldest", runs_dir=runs)
    shown = capsys.readouterr().out
    assert "cannot list the checkpoints" in shown
    assert os.strerror(number) in shown


# --- starts that fail ---


def test_a_start_killed_at_its_first_breath_is_listed_and_can_be_deleted(tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path, "circle")
    assert list_runs(tmp_path) == [folder]
    found = summarize(folder)
    assert (found.status, found.reason) == (
        "unreadable",
        "no run.h5: its start did not get that far.",
    )
    delete_run(folder, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_filled_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folders, "sync_folder", full)
    with pytest.raises(StorageError, match="the disk is full"):
        create_run_folder(tmp_path, "circle")
    assert list(tmp_path.iterdir()) == []


def test_folders_of_other_things_are_no_runs(runs: Path) -> None:
    for name in ("notes", "20260101-notes", "checkpoints", "20260101-000000-c-cccc.bak"):
        (runs / name).mkdir()
    shutil.copytree(runs / "20260101-000000-c-cccc", runs / "a copy")
    assert len(run_folders(runs)) == 4
