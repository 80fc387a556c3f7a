"""Tags and notes: kept beside the run, found by filters, and never in the way of anything."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from record import sample_run

from workbench.errors import BadInput, StorageError
from workbench.record.columns import in_order, order_of, series_in, value_of
from workbench.record.delete import delete_run
from workbench.record.export import export_run
from workbench.record.filter import read_filter, series_named
from workbench.record.folder import summaries
from workbench.record.index import INDEX_FILE, RunIndex
from workbench.record.notes import NOTES_FILE, change_note, change_tags, read_notes
from workbench.record.reader import RunReader
from workbench.record.summary import RunSummary, summarize

RUN = "20260101-000000-sample-abcd"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sample_run.finished(tmp_path / RUN, 20)
    return tmp_path / RUN


def test_tags_and_a_note_are_given_and_taken_away(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert change_tags(folder, ["good", "Seed/1"]).tags == ("good", "Seed/1")
    assert change_tags(folder, ["GOOD"], ["seed/1"]).tags == ("good",)
    assert change_note(folder, " two\n  lines \x1b[2J ").note == "two lines [2J"
    found = summarize(folder)
    assert (found.tags, found.note) == (("good",), "two lines [2J")
    change_note(folder, "")
    change_tags(folder, remove=["good"])
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_keys_of_others_stay_and_a_damaged_file_is_left_alone(folder: Path) -> None:
    path = folder / NOTES_FILE
    path.write_text('tags = ["a", 3, "no tag", "b"]\nauthor = "me"\n[mine]\nx = 1\n')
    assert read_notes(folder).tags == ("a", "b")
    change_note(folder, "x")
    assert 'author = "me"' in path.read_text()
    assert "[mine]" in path.read_text()
    for damage in (b"tags = [", b"\xff\xfe", b"x" * 100_000, b"tags=" + b"[" * 20_000):
        path.write_bytes(damage)
        notes = read_notes(folder)
        assert notes.tags == ()
        assert notes.mistake.startswith(f"the notes.toml of '{RUN}' cannot be read: ")
        with pytest.raises(StorageError, match="it is left as it is"):
            change_tags(folder, ["good"])
        assert path.read_bytes() == damage
        assert summarize(folder).status == "finished"
    path.unlink()
    os.mkfifo(path)
    assert "it is no file" in read_notes(folder).mistake


def test_what_is_no_tag_is_refused(folder: Path) -> None:
    for text in ("", "-a", "a b", "a,b", "x" * 41, "a\x1b", "tag:a"):
        with pytest.raises(BadInput, match="is no tag"):
            change_tags(folder, [text])
    with pytest.raises(BadInput, match="up to 32 tags"):
        change_tags(folder, [f"t{k}" for k in range(33)])
    with pytest.raises(BadInput, match=r"up to 1,000 characters"):
        change_note(folder, "x" * 1001)
    assert not (folder / NOTES_FILE).exists()


def test_the_owners_mask_decides_who_may_read(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        change_tags(folder, ["good"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / NOTES_FILE).stat().st_mode) == 0o640


def test_many_at_once_lose_nothing(folder: Path) -> None:
    threads = [threading.Thread(target=change_tags, args=(folder, [f"t{k:02}"])) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_notes(folder).tags == tuple(f"t{k:02}" for k in range(12))


def test_the_index_sees_a_changed_tag_at_once(folder: Path, monkeypatch) -> None:
    runs = folder.parent
    monkeypatch.setattr("workbench.record.index.WORTH", 1)
    monkeypatch.setattr("workbench.record.index.SETTLED", -1.0)
    change_tags(folder, ["one"])
    assert [run.tags for run in summaries(runs)] == [("one",)]
    assert (runs / INDEX_FILE).exists()
    assert RunIndex(runs).known(folder) is not None
    change_tags(folder, ["two"], ["one"])
    assert RunIndex(runs).known(folder) is None
    assert [run.tags for run in summaries(runs)] == [("two",)]
    assert [run.tags for run in summaries(runs)] == [("two",)]


def test_last_values_are_read_once_and_kept(folder: Path, monkeypatch) -> None:
    runs = folder.parent
    monkeypatch.setattr("workbench.record.index.WORTH", 1)
    monkeypatch.setattr("workbench.record.index.SETTLED", -1.0)
    (found,) = summaries(runs, series=("time", "none_such", "neuron_norm"))
    with RunReader(folder) as reader:
        assert found.last == {
            "time": float(reader.read("time")[-1]),
            "none_such": None,
            "neuron_norm": None,
        }
    kept = RunIndex(runs).known(folder)
    assert kept is not None
    assert kept.last == found.last
    assert summaries(runs)[0].last == found.last


def test_an_export_says_them_and_deleting_takes_them_along(folder: Path, tmp_path: Path) -> None:
    change_tags(folder, ["good", "b"])
    change_note(folder, "a saddle")
    for suffix in (".h5", ".nc", ".npz"):
        target = tmp_path / f"out{suffix}"
        export_run(folder, target)
        if suffix == ".npz":
            found = json.loads(str(np.load(target)["attributes"]))
        else:
            with h5py.File(target) as file:
                found = dict(file.attrs)
        assert (found["tags"], found["note"]) == ("b good", "a saddle")
    with RunReader(tmp_path / "out.h5") as reader:
        assert reader.n_records == 20
    delete_run(folder, tmp_path)
    assert not folder.exists()


# --- the language -------------------------------------------------------------------------------


SHOWN = RunSummary(
    "id",
    Path("id"),
    name="Fig1-a7",
    H=5,
    tags=("good", "seed/1"),
    note="The second saddle is missing",
    settings={"train.lr": 1e-3, "model.kind": "squared-relu", "record.on": True},
    last={"rho": 2.5, "mine": 4.0},
)


@pytest.mark.parametrize(
    "text",
    [
        "tag:good",
        "tags=GOOD",
        "tag:seed*",
        "tag:bad,good",
        "tag!=bad",
        "note:saddle",
        "note:saddle,minimum",
        'note:"second saddle"',
        "good fig1",
        "saddle",
        r"name~^fig\d-a[0-9]$",
        "name!~b",
        "note~^the",
        r"name~(fig\d)+-[a+]",
        r"note~(\w{2}){1,3}",
        "model.kind~relu$",
        "record.on~true",
        "cfg.train.lr>=1e-3",
        "cfg.train.lr=0.001 tag:good",
        "rho<3",
        "last.rho=2.5",
        "last.mine>3",
        "alignment!=2",
    ],
)
def test_it_fits(text: str) -> None:
    fits, mistake = read_filter(text, SHOWN.settings)
    assert mistake == ""
    assert fits(SHOWN)


@pytest.mark.parametrize(
    "text",
    [
        "tag:bad",
        "tag!=good",
        "note:minimum",
        "name~^a",
        "name!~fig",
        "rho>3",
        "alignment>0",
        "12:30",
    ],
)
def test_it_does_not_fit(text: str) -> None:
    fits, mistake = read_filter(text, SHOWN.settings)
    assert mistake == ""
    assert not fits(SHOWN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name~(", "'(' is no regular expression: "),
        ("name~[", "is no regular expression"),
        ("name~" + "a" * 101, "up to 100 characters"),
        ("H~3", "'H' is a number"),
        (r"note~(\w+\s?)+$", "repeats what repeats"),
        ("note~((a*)b){2,}", "repeats what repeats"),
        (r"note~(\w{2,6}\s?)+", "repeats what repeats"),
        ("cfg.train.lrr>3", "did you mean 'train.lr'?"),
        ("rhoo>3", "did you mean 'rho'?"),
        ("tag>good", "is text and has no order"),
    ],
)
def test_a_mistake_is_one_sentence(text: str, said: str) -> None:
    _, mistake = read_filter(text, SHOWN.settings)
    assert said in mistake


def test_series_that_a_filter_needs() -> None:
    assert series_named("rho>3 step>1 H=2 last.mine<1 train.lr=1 name~rho rho<9") == ("rho", "mine")
    assert series_in(["train.lr", "rho", "tags", "last.mine", "step"]) == ("rho", "mine")


def test_any_column_sorts_and_missing_values_come_last() -> None:
    runs = [
        replace(SHOWN, run_id=str(k), made=float(k), last={"rho": value})
        for k, value in enumerate([2.0, None, -1.0, float("nan"), 7.0])
    ]
    for reverse, wanted in ((False, [-1.0, 2.0, 7.0]), (True, [7.0, 2.0, -1.0])):
        found = [run.last["rho"] for run in in_order(runs, order_of("rho"), reverse)]
        assert found[:3] == wanted
    assert value_of("cfg.train.lr")(SHOWN) == 1e-3
    with pytest.raises(BadInput, match="Did you mean 'rho'"):
        value_of("rhoo")
