"""`list`, `show` and `export`: what they print, and what they refuse."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from commands import formats
from tests.commands.conftest import GOOD, TWIN
from tests.record import sample_run
from tests.record.sample_run import NEURONS, SHAPES


def test_list_is_aligned_text_in_a_pipe(cli, runs):
    done = cli("list", runs=runs)
    assert done.returncode == 0
    header, *lines = done.stdout.splitlines()
    assert header.split()[:2] == ["run", "status"]
    assert [line.split()[0] for line in lines][-2:] == [TWIN, GOOD]
    assert "\x1b" not in done.stdout
    assert sum("unreadable" in line for line in lines) == 3
    assert "299/1,000" in done.stdout


def test_list_as_json(cli, runs):
    found = json.loads(cli("list", "--json", "--runs-dir", runs).stdout)["runs"]
    by_id = {run["run_id"]: run for run in found}
    assert len(found) == 5
    good = by_id[GOOD]
    assert good["status"] == "finished"
    assert (good["step"], good["steps"], good["records"], good["n"]) == (299, 1000, 300, 7)
    assert good["loss"] == "logistic"
    assert good["log10_risk"] == pytest.approx(np.sin(0.01 * 299 + 1) / np.log(10))
    bad = by_id["20260101-000003-foreign-0001"]
    assert bad["status"] == "unreadable"
    assert bad["step"] is None
    assert "no run" in bad["reason"]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_list_of_nothing_says_what_to_type(cli, tmp_path, name):
    (tmp_path / "empty").mkdir()
    done = cli("list", "--runs-dir", tmp_path / name)
    assert done.returncode == 0
    assert done.stdout == ""
    assert "workbench run" in done.stderr
    listed = json.loads(cli("list", "--json", "--runs-dir", tmp_path / name).stdout)
    assert listed == {"runs": [], "studies": []}


def test_list_of_a_file_is_refused(cli, tmp_path):
    (tmp_path / "file").write_text("")
    done = cli("list", "--runs-dir", tmp_path / "file")
    assert done.returncode == 2
    assert "is a file" in done.stderr


@pytest.mark.parametrize("width", [80, 160])
def test_list_in_a_terminal_is_a_coloured_table(runs, width):
    import os
    import sys

    import pexpect

    from tests.commands.conftest import ROOT

    command = f"{sys.executable} -m commands.main list --runs-dir {runs}"
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    env["TERM"] = "xterm-256color"
    child = pexpect.spawn(
        command, cwd=str(ROOT), dimensions=(40, width), encoding="utf-8", timeout=60, env=env
    )
    child.expect(pexpect.EOF)
    child.close()
    shown = child.before or ""
    assert child.exitstatus == 0
    assert GOOD in shown
    assert "\x1b[31m" in shown  # unreadable runs are red
    assert any(block in shown for block in formats.BLOCKS) == (width == 160)
    assert "log10 risk" in shown


def test_show_as_text(cli, runs):
    done = cli("show", GOOD, runs=runs)
    assert done.returncode == 0
    for text in (
        GOOD,
        "finished",
        "299/1,000",
        "300 records",
        "loss.kind",
        "neuron_norm",
        "run.h5",
    ):
        assert text in done.stdout


def test_show_as_json(cli, runs):
    found = json.loads(cli("show", GOOD, "--json", runs=runs).stdout)
    assert found["run_id"] == GOOD
    assert found["config"]["train"]["steps"] == 1000
    assert found["homogeneity"] == 2
    series = {s["name"]: s for s in found["series"]}
    assert set(series) == {"step", *SHAPES}
    assert series["log_risk"]["last"] == pytest.approx(np.sin(0.01 * 299 + 1))
    assert series["neuron_norm"]["shape"] == [300, NEURONS]
    assert series["neuron_norm"]["last"] is None
    assert found["events"] == [{"step": 299, "kind": "finished", "text": "as planned"}]
    assert found["checkpoints"] == []
    assert "run.h5" in {f["name"] for f in found["files"]}


REFUSALS = [
    ("20260101-000000-sampel-abcd", 2, f"Did you mean '{GOOD}'"),
    ("20260101-00000", 2, "fits 5 runs"),
    ("nothing-like-it", 2, "unknown run"),
    ("20260101-000002", 1, "run.h5"),
    ("20260101-000003", 1, "no run"),
    ("20260101-000004", 1, "run.h5"),
    ("./elsewhere", 2, "there is no run"),
    ("", 2, "is named by its id"),
]


@pytest.mark.parametrize(("reference", "code", "text"), REFUSALS)
@pytest.mark.parametrize("command", ["show", "export", "plot"])
def test_runs_that_cannot_be_shown(cli, runs, tmp_path, command, reference, code, text):
    more = {
        "show": [],
        "export": ["--to", tmp_path / "x.csv"],
        "plot": ["--figure", "risk", "-o", tmp_path / "x.png"],
    }[command]
    done = cli(command, reference, *more, runs=runs)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_last_in_a_missing_folder(cli, tmp_path):
    done = cli("show", "last", "--runs-dir", tmp_path / "none")
    assert done.returncode == 2
    assert "there are no runs" in done.stderr


def test_export_prints_the_target_and_tells_what_is_left_out(cli, runs, tmp_path):
    target = tmp_path / "run.csv"
    done = cli("export", GOOD, "--to", target, runs=runs)
    assert done.returncode == 0
    assert done.stdout == f"{target}\n"
    assert "left out: the data set" in done.stderr
    with open(target) as stream:
        assert len(list(csv.reader(stream))) == 301


@pytest.mark.parametrize("suffix", ["h5", "nc", "npz"])
def test_export_formats(cli, runs, tmp_path, suffix):
    target = tmp_path / f"run.{suffix}"
    done = cli("export", GOOD, "--to", target, runs=runs)
    assert (done.returncode, done.stderr) == (0, "")
    assert target.stat().st_size > 0


@pytest.mark.parametrize(
    ("target", "code", "text"),
    [
        ("run.xlsx", 2, "unknown export format"),
        ("no/such/run.csv", 2, "there is no folder"),
        ("folder.csv", 1, "cannot write"),
    ],
)
def test_export_targets_that_cannot_be_written(cli, runs, tmp_path, target, code, text):
    (tmp_path / "folder.csv").mkdir()
    done = cli("export", GOOD, "--to", tmp_path / target, runs=runs)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.csv"]


def test_the_run_itself_is_no_target(cli, runs):
    done = cli("export", GOOD, "--to", runs / GOOD / "run.h5", runs=runs)
    assert done.returncode == 2
    assert "the run itself" in done.stderr


# --- formats --------------------------------------------------------------------------------------


def test_sparkline_spans_the_blocks_and_leaves_gaps():
    assert formats.sparkline([0.0, 1.0, 2.0, 7.0]) == "▁▂▃█"
    assert formats.sparkline([0.0, float("nan"), 1.0]) == "▁ █"
    assert formats.sparkline([float("-inf")] * 3) == ""
    assert formats.sparkline([]) == ""
    assert formats.sparkline([1.0, 1.0 + 1e-6]) == "▄▄"
    assert len(formats.sparkline(list(range(100)))) == 16


def test_numbers_and_sizes():
    assert formats.number(None) == "–"
    assert formats.number(float("-inf")) == "−∞"
    assert formats.number(float("nan")) == "nan"
    assert formats.size(999) == "999 B"
    assert formats.size(3_300_000) == "3.3 MB"
    assert formats.finite({"a": [1.0, float("nan")], "b": (float("inf"),)}) == {
        "a": [1.0, None],
        "b": [None],
    }


def test_tags_notes_and_columns_from_a_shell(cli, tmp_path):
    run = tmp_path / GOOD
    sample_run.finished(run)
    assert cli("tag", GOOD, "+good", "+seed/1", runs=tmp_path).stdout == "good seed/1\n"
    assert cli("tag", GOOD, "-seed/1", "-absent", runs=tmp_path).stdout == "good\n"
    assert cli("note", GOOD, "a", "saddle", runs=tmp_path).stdout == "a saddle\n"
    found = json.loads(cli("show", GOOD, "--json", runs=tmp_path).stdout)
    assert (found["tags"], found["note"]) == (["good"], "a saddle")
    columns = ("--columns", "tags,cfg.train.steps,time,note")
    done = cli("list", "tag:good", *columns, "--sort", "time", runs=tmp_path)
    head, line = done.stdout.splitlines()
    assert head.split() == ["run", "status", "tags", "cfg.train.steps", "time", "note"]
    assert line.startswith(GOOD)
    assert line.endswith("a saddle")
    (listed,) = json.loads(cli("list", *columns, "--json", runs=tmp_path).stdout)["runs"]
    assert listed["columns"]["time"] == pytest.approx(found_last(found, "time"))
    refused = cli("list", "--columns", "timee", runs=tmp_path)
    assert refused.returncode == 2
    assert "Did you mean 'time'?" in refused.stderr
    refused = cli("tag", GOOD, "+a b", runs=tmp_path)
    assert (refused.returncode, "is no tag" in refused.stderr) == (2, True)


def found_last(found, name):
    """The last value that `show` says of a series."""
    return next(series["last"] for series in found["series"] if series["name"] == name)
