"""The index of a runs folder: used while nothing changed, never believed otherwise, and never in the way."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import time
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from record import sample_run

from commands.list_runs import list_runs as list_command
from workbench.errors import BadInput
from workbench.record import folder as folders
from workbench.record import index as index_module
from workbench.record.folder import list_runs, resolve_run, run_folders, summaries
from workbench.record.index import INDEX_FILE, RunIndex
from workbench.record.lock import RunLock
from workbench.record.seal import seal_attributes
from workbench.record.store import RunStore
from workbench.record.summary import RunSummary, summarize

COUNT = 20


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty small runs, whose files count as settled at once."""
    monkeypatch.setattr(index_module, "SETTLED", -1.0)
    place = tmp_path / "runs"
    first = place / "20260101-000000-many-0000"
    first.mkdir(parents=True)
    store = RunStore.create(
        first,
        attributes={**sample_run.ATTRIBUTES, "run_id": first.name, "status": "stopped"},
        x=sample_run.X,
        y=sample_run.Y,
        series=sample_run.LAYOUTS,
    )
    store.append(sample_run.rows(0, 40))
    store.close()
    for number in range(1, COUNT):
        shutil.copytree(first, place / f"20260101-000000-many-{number:04x}")
    for number, folder in enumerate(run_folders(place)[::-1]):
        attribute(folder, name=f"many {number}", created=f"2026-01-01T00:{number:02}:00+00:00")
    return place


def attribute(folder: Path, **values: str) -> None:
    with h5py.File(folder / "run.h5", "r+", locking=False) as file:
        file.attrs.update(values)
        seal_attributes(file)


def plain(found: list[RunSummary]) -> list[dict[str, Any]]:
    return [{**vars(summary), "trend": summary.trend.tolist()} for summary in found]


def opened(runs: Path) -> list[dict[str, Any]]:
    """What the runs themselves say, newest first."""
    found = [summarize(folder) for folder in run_folders(runs)]
    return plain(sorted(found, key=lambda summary: summary.made, reverse=True))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that are opened."""
    seen: list[str] = []

    def counting(folder: Path, series=()) -> RunSummary:
        seen.append(folder.name)
        return summarize(folder, series)

    monkeypatch.setattr(index_module, "summarize", counting)
    return seen


def test_no_run_is_opened_twice_that_has_not_changed(runs: Path, counted: list[str]) -> None:
    first = summaries(runs)
    assert len(counted) == COUNT
    counted.clear()
    again = summaries(runs)
    assert counted == []
    assert plain(again) == plain(first) == opened(runs)
    assert np.isfinite(again[0].trend).all()
    assert again[0].trend.size == 32


def test_ages_and_names_come_from_the_index(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = [summary.path for summary in summaries(runs)]

    def refused(*_: object) -> str:
        raise AssertionError("a run was opened")

    monkeypatch.setattr(folders, "root_text", refused)
    monkeypatch.setattr(folders, "made_at", refused)
    assert list_runs(runs) == order
    assert resolve_run("last", runs) == order[0]
    assert resolve_run("many 7", runs).name.endswith("0007")


def test_what_changes_is_seen(runs: Path, counted: list[str]) -> None:
    summaries(runs)
    counted.clear()
    names = [folder.name for folder in run_folders(runs)]
    with h5py.File(runs / names[0] / "run.h5", "r+", locking=False) as file:
        file.attrs["name"] = "anew"
        seal_attributes(file)
    (runs / names[1] / "run.journal").write_bytes(b"a commit that is not in run.h5 yet")
    (runs / names[2]).rename(runs / "20260101-000000-moved-aaaa")
    shutil.copytree(runs / names[3], runs / "20260101-000000-copied-bbbb")
    shutil.rmtree(runs / names[4])
    copy = runs / names[6] / "run.h5"
    shutil.copy2(copy, runs / "aside")
    os.replace(runs / "aside", copy)  # another file of the same size and time
    found = summaries(runs)
    assert plain(found) == opened(runs)
    assert set(counted) == {
        names[0],
        names[1],
        "20260101-000000-moved-aaaa",
        "20260101-000000-copied-bbbb",
        names[6],
    }
    assert "anew" in {summary.name for summary in found}


def test_a_run_that_is_written_is_always_asked(runs: Path, counted: list[str]) -> None:
    folder = run_folders(runs)[0]
    attribute(folder, status="running")
    assert {s.path: s.status for s in summaries(runs)}[folder] == "lost"
    with RunLock(folder):
        assert {s.path: s.status for s in summaries(runs)}[folder] == "running"
        counted.clear()
        summaries(runs)
        assert counted == [folder.name]
    assert {s.path: s.status for s in summaries(runs)}[folder] == "lost"


def test_what_cannot_be_read_is_asked_again(runs: Path, counted: list[str]) -> None:
    folder = run_folders(runs)[0]
    whole = (folder / "run.h5").read_bytes()
    (folder / "run.h5").write_bytes(bytes(len(whole)))
    assert {s.path: s.status for s in summaries(runs)}[folder] == "unreadable"
    counted.clear()
    summaries(runs)
    assert counted == [folder.name]


def test_a_file_that_may_still_change_unseen_is_not_remembered(
    runs: Path, monkeypatch: pytest.MonkeyPatch, counted: list[str]
) -> None:
    monkeypatch.setattr(index_module, "SETTLED", 3600.0)
    summaries(runs)
    counted.clear()
    summaries(runs)
    assert len(counted) == COUNT


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def with_body(data: bytes, body: bytes) -> bytes:
    """An index whose check fits a body that is none."""
    return data.split(b"\n")[0] + b"\n%08x\n" % zlib.crc32(body) + body


DAMAGE = {
    "cut": lambda data: data[:-100],
    "empty": lambda data: b"",
    "a bit": flipped,
    "another version": lambda data: data.replace(b'"index": 1', b'"index": 99', 1),
    "other fields": lambda data: data.replace(b'"preset"', b'"recipe"', 1),
    "no JSON": lambda data: with_body(data, b"{"),
    "deep": lambda data: with_body(data, b"[" * 200_000),
    "a list": lambda data: with_body(data, b"[1, 2]"),
    "short entries": lambda data: with_body(data, b'{"a": [1]}'),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_index_is_made_anew(runs: Path, kind: str, counted: list[str]) -> None:
    summaries(runs)
    path = runs / INDEX_FILE
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    counted.clear()
    assert plain(summaries(runs)) == opened(runs)
    assert len(counted) == COUNT
    counted.clear()
    summaries(runs)
    assert counted == []


def test_nonsense_that_looks_right_is_not_believed(runs: Path) -> None:
    summaries(runs)
    path = runs / INDEX_FILE
    head, _, body = path.read_bytes().split(b"\n", 2)
    entries = json.loads(body)
    for place, entry in enumerate(entries.values()):
        entry[1][place % len(entry[1])] = {"an": "object"} if place % 2 else "\x1b[2J"
    path.write_bytes(with_body(head + b"\n", json.dumps(entries).encode()))
    for summary in summaries(runs):
        assert summary.name.isprintable()
        assert summary.status in ("stopped", "lost")


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "no room", "read-only"])
def test_without_an_index_all_goes_on(
    runs: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = runs / INDEX_FILE
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(runs / "nowhere")
    else:
        number = errno.ENOSPC if kind == "no room" else errno.EROFS

        def refused(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "replace", refused)
    assert plain(summaries(runs)) == opened(runs)
    assert resolve_run("many 7", runs).name.endswith("0007")
    assert not list(runs.glob(f"{INDEX_FILE}-*"))
    assert capfd.readouterr() == ("", "")


def write_and_list(runs: Path, number: int, rounds: int) -> None:
    """One of many that change a run of their own and list all of them."""
    mine = run_folders(runs)[number % COUNT]
    for _ in range(rounds):
        os.utime(mine / "run.h5")
        if len(summaries(runs)) != COUNT:
            os._exit(1)


def test_thirty_two_writers_some_of_them_killed(
    runs: Path, monkeypatch: pytest.MonkeyPatch, counted: list[str]
) -> None:
    monkeypatch.setattr(index_module, "WORTH", 1)
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_and_list, args=(runs, k, 3)) for k in range(32)]
    for writer in writers:
        writer.start()

    for writer in writers[::-4]:
        time.sleep(0.02)
        writer.kill()
    for writer in writers:
        writer.join(60)
    assert {w.exitcode for w in writers} <= {0, -signal.SIGKILL}
    assert plain(summaries(runs)) == opened(runs)
    counted.clear()
    assert plain(summaries(runs)) == opened(runs)
    assert counted == []


def test_what_a_killed_writer_left_is_removed(runs: Path) -> None:
    old, new = runs / f"{INDEX_FILE}-00.tmp", runs / f"{INDEX_FILE}-11.tmp"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (0, 0))
    summaries(runs)
    assert not old.exists()
    assert new.exists()


def test_two_who_know_different_runs_keep_both(runs: Path, counted: list[str]) -> None:
    here = run_folders(runs)
    one, other = RunIndex(runs), RunIndex(runs)
    for folder in here[:16]:
        one.summary(folder)
    for folder in here[4:]:
        other.summary(folder)
    for index in (one, other):
        index.save([folder.name for folder in here])
    counted.clear()
    summaries(runs)
    assert counted == []


# --- the command ---


def test_a_list_can_be_cut_and_chosen_from(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attribute(run_folders(runs)[0], status="running")
    list_command(runs_dir=runs, limit=3)
    out, told = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert told == f"… {COUNT - 3} more: --all\n"
    list_command(runs_dir=runs)
    out, told = capsys.readouterr()
    assert (len(out.splitlines()), told) == (COUNT + 1, "")
    list_command(runs_dir=runs, status="lost", as_json=True)
    assert [run["name"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["many 19"]
    list_command(['name="many 1*"', "records>=40"], runs_dir=runs, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 11
    list_command(["nothing"], runs_dir=runs)
    assert f"none of the {COUNT} runs" in capsys.readouterr().err
    for wrong in ({"wanted": ["H>wide"]}, {"status": "dead"}, {"limit": 1, "everything": True}):
        with pytest.raises(BadInput):
            list_command(runs_dir=runs, **wrong)  # type: ignore[arg-type]


def test_a_terminal_shows_the_newest(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import commands.list_runs as module

    monkeypatch.setattr(module, "NEWEST", 5)
    monkeypatch.setattr(module.formats, "on_terminal", lambda: True)
    list_command(runs_dir=runs)
    assert f"… {COUNT - 5} more: --all" in capsys.readouterr().err
    list_command(runs_dir=runs, everything=True)
    assert "more" not in capsys.readouterr().err
