"""Run ids, the runs folder, and how a run is found."""

from __future__ import annotations

import errno
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record import sample_run

from workbench.errors import BadInput, RunBusy, StorageError
from workbench.record.delete import delete_run
from workbench.record.folder import (
    create_run_folder,
    default_runs_dir,
    list_runs,
    new_run_id,
    resolve_run,
    slugify,
    validate_name,
    write_config,
)
from workbench.record.lock import RunLock, is_alive, lock_holder
from workbench.record.overlay import Overlay
from workbench.record.store import RunStore
from workbench.record.summary import summarize


def make(runs: Path, run_id: str, name: str = "") -> Path:
    """A run of two records with an id and a name."""
    folder = runs / run_id
    folder.mkdir(parents=True)
    store = RunStore.create(
        folder,
        attributes={**sample_run.ATTRIBUTES, "run_id": run_id, "name": name},
        x=sample_run.X,
        y=sample_run.Y,
        series=sample_run.LAYOUTS,
    )
    store.append(sample_run.rows(0, 2))
    store.close()
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    place = tmp_path / "runs"
    make(place, "20260101-000000-circle-aaaa", "first")
    make(place, "20260101-000001-circle-bbbb", "twice")
    make(place, "20260102-000000-digits-cccc", "twice")
    return place


def test_ids_and_slugs() -> None:
    made = new_run_id("KH24: Fig. 1 / Größe", datetime(2026, 3, 4, 5, 6, 7))
    assert re.fullmatch(r"20260304-050607-kh24-fig-1-groe-[0-9a-f]{4}", made)
    assert slugify("../../etc/passwd") == "etc-passwd"
    assert slugify("日本") == "run"
    assert len(slugify("x" * 500)) == 40


@pytest.mark.parametrize(
    "name", ["", "  ", ".hidden", "..", "a/b", "a\\b", "-rf", "a\nb", "a\x1b[2J", "x" * 65, "a\0"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        validate_name(name)
    assert str(caught.value).isprintable()


def test_names_that_are_fine() -> None:
    for name in ("KH24 figure 1", "größe=3", "a.b", "x" * 64):
        assert validate_name(name) == name


def test_folders_are_made_and_listed_newest_first(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "runs"
    assert list_runs(place) == []
    made = [create_run_folder(place, "circle") for _ in range(3)]
    assert len({folder.name for folder in made}) == 3
    for second, folder in enumerate(made):
        write_config(folder, "a = 1\n")
        os.utime(folder / "config.toml", (second, second))
    assert list_runs(place) == made[::-1]
    assert (made[0] / "checkpoints").is_dir()
    assert (made[0] / "config.toml").read_text() == "a = 1\n"


def test_the_runs_folder_may_be_in_the_way(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    place.write_text("a file")
    with pytest.raises(StorageError, match="is a file"):
        create_run_folder(place, "a")
    with pytest.raises(StorageError, match="is a file"):
        create_run_folder(place / "below", "a")
    with pytest.raises(BadInput, match="is a file"):
        list_runs(place)
    with pytest.raises(BadInput, match="is a file"):
        resolve_run("last", place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_runs_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        create_run_folder(tmp_path, "a")
    tmp_path.chmod(0o700)


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_RUNS", raising=False)
    assert default_runs_dir() == Path("runs")
    monkeypatch.setenv("WORKBENCH_RUNS", "/somewhere")
    assert default_runs_dir() == Path("/somewhere")


def test_a_run_is_found_in_every_way(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = runs / "20260101-000000-circle-aaaa"
    assert resolve_run("20260101-000000-circle-aaaa", runs) == first
    assert resolve_run("20260101-000000", runs) == first
    assert resolve_run("first", runs) == first
    assert resolve_run(str(first), Path("elsewhere")) == first
    assert resolve_run(str(first / "run.h5"), Path("elsewhere")) == first
    assert resolve_run("last", runs).name == "20260102-000000-digits-cccc"
    monkeypatch.chdir(runs)
    assert resolve_run("./20260101-000000-circle-aaaa", runs).resolve() == first


def test_a_run_that_is_not_found(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="fits 2 runs: 20260101-00000"):
        resolve_run("20260101-00000", runs)
    with pytest.raises(BadInput, match="cccc") as caught:
        resolve_run("twice", runs)
    assert "bbbb" in str(caught.value)
    with pytest.raises(BadInput, match="Did you mean 'first'"):
        resolve_run("frist", runs)
    with pytest.raises(BadInput, match="no run at"):
        resolve_run("../elsewhere/", runs)
    with pytest.raises(BadInput, match="no runs in"):
        resolve_run("last", tmp_path / "missing")
    with pytest.raises(BadInput, match="no runs in"):
        resolve_run("first", tmp_path / "missing")
    for reference in ("", " ", "a\0b", "~nobody/x", "x" * 5000, "\x1b[2J"):
        with pytest.raises(BadInput) as refused:
            resolve_run(reference, runs)
        assert str(refused.value).isprintable()


def test_links_out_of_the_runs_folder(runs: Path, tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", "20270101-000000-away-dddd", "away")
    (runs / outside.name).symlink_to(outside)
    (runs / "20270101-000000-within-eeee").symlink_to(runs / "20260101-000000-circle-aaaa")
    (runs / "20270101-000000-loop-ffff").symlink_to("20270101-000000-loop-ffff")
    names = [folder.name for folder in list_runs(runs)]
    assert outside.name not in names
    assert "20270101-000000-within-eeee" in names
    with pytest.raises(BadInput, match="link out of the runs folder"):
        resolve_run(outside.name, runs)
    assert resolve_run(str(outside), runs) == outside


def test_a_damaged_run_does_not_hide_the_others(runs: Path) -> None:
    (runs / "20260101-000001-circle-bbbb" / "run.h5").write_bytes(b"junk")
    assert resolve_run("twice", runs).name == "20260102-000000-digits-cccc"
    assert len(list_runs(runs)) == 3


def test_summaries(runs: Path) -> None:
    folder = runs / "20260101-000000-circle-aaaa"
    found = summarize(folder)
    assert (found.run_id, found.name, found.status) == (folder.name, "first", "lost")
    assert (found.step, found.steps, found.records, found.n) == (1, 1000, 2, sample_run.SAMPLES)
    assert found.loss == "logistic"
    risk = sample_run.expected("log_risk", np.arange(2))
    assert found.log10_risk == pytest.approx(risk[-1] / np.log(10))
    assert found.margin_normalized == sample_run.expected("margin_normalized", np.arange(2))[-1]
    np.testing.assert_array_equal(found.trend, risk)
    with RunLock(folder):
        assert summarize(folder).status == "running"
    for broken in (runs / "none", runs):
        assert summarize(broken).status == "unreadable"
        assert summarize(broken).reason
    sample_run.finished(runs / "long", 3000)
    long = summarize(runs / "long")
    assert (len(long.trend), long.status) == (32, "finished")


def test_a_summary_reads_a_small_part_of_a_long_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    plain = Overlay.readinto

    def counting(self: Overlay, buffer: Any) -> int:
        read.append(plain(self, buffer))
        return read[-1]

    monkeypatch.setattr(Overlay, "readinto", counting)
    whole = []
    for count in (3_000, 30_000):
        folder = sample_run.finished(tmp_path / str(count), count)
        read.clear()
        assert summarize(folder).records == count
        whole.append((sum(read), (folder / "run.h5").stat().st_size))
    assert whole[1][0] < whole[1][1] / 10
    assert whole[1][0] - whole[0][0] < (whole[1][1] - whole[0][1]) / 10


def test_the_lock_says_who_is_alive(tmp_path: Path) -> None:
    assert not is_alive(tmp_path)
    assert not is_alive(tmp_path / "none")
    assert lock_holder(tmp_path) is None
    with RunLock(tmp_path) as lock:
        assert is_alive(tmp_path)
        holder = lock_holder(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
        lock.acquire()
    assert not is_alive(tmp_path)
    (tmp_path / "run.lock").write_text("garbage\x1b")
    assert lock_holder(tmp_path) is None
    with pytest.raises(StorageError):
        RunLock(tmp_path / "none").acquire()


NUMBERS = [errno.EACCES, errno.EIO, errno.ESTALE]


@pytest.mark.parametrize("number", NUMBERS)
def test_nobody_is_called_dead_who_cannot_be_asked(
    runs: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = runs / "20260101-000000-circle-aaaa"
    with RunLock(folder):
        pass
    assert summarize(folder).status == "lost"
    assert not is_alive(folder / "run.h5")
    real = os.open

    def opened(path: object, *args: int, **more: int) -> int:
        if str(path).endswith("run.lock"):
            raise OSError(number, os.strerror(number))
        return real(path, *args, **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "open", opened)
    assert is_alive(folder)
    assert summarize(folder).status == "running"
    with pytest.raises(StorageError, match=os.strerror(number)):
        RunLock(folder).acquire()
    with pytest.raises(StorageError, match=os.strerror(number)):
        delete_run(folder, runs)
    assert folder.is_dir()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    lock.acquire()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    with pytest.raises(RunBusy):
        RunLock(tmp_path).acquire()
    lock.release()
    assert not is_alive(tmp_path)
    os.close(writing)
    os.waitpid(child, 0)
