"""`workbench staircase`: its table, its JSON, a run held against it, and what it is not for."""

from __future__ import annotations

import json

import pytest

from workbench.run.stairs import lies_within

STEPS = ("--set", "train.steps=4000", "--set", "pause.at_saddle=false")


def test_drops_are_foreseen_and_a_run_is_held_against_them(cli, tmp_path):
    before = cli("staircase", "first-look")
    assert before.returncode == 0
    assert "Drops of the risk" in before.stdout
    dense = ("--set", "record.every=1", "--headless", "--runs-dir", tmp_path)
    assert cli("run", "first-look", *STEPS, *dense).returncode == 0
    told = cli("staircase", "first-look", "--runs-dir", tmp_path).stdout
    assert told == before.stdout, "a preset of that name is no run"
    (run,) = (entry.name for entry in tmp_path.iterdir() if entry.name[0].isdigit())
    held = cli("staircase", run, "--runs-dir", tmp_path)
    assert "of 3 drops 3 came, 3 within the interval, 3 of 3 by the neurons foreseen" in held.stdout
    table = json.loads(cli("staircase", run, "--runs-dir", tmp_path, "--json").stdout)
    assert table["decided"]
    for stair in table["stairs"]:
        assert stair["time_low"] <= stair["run"]["time"] <= stair["time_high"]
        assert stair["run"]["in_order"]


def test_records_too_far_apart_decide_nothing(cli, tmp_path):
    done = cli(
        "run",
        "first-look",
        *STEPS,
        "--set",
        "record.every=200",
        "--headless",
        "--runs-dir",
        tmp_path,
    )
    assert done.returncode == 0
    (run,) = (entry.name for entry in tmp_path.iterdir() if entry.name[0].isdigit())
    table = json.loads(cli("staircase", run, "--runs-dir", tmp_path, "--json").stdout)
    assert [stair["run"]["within"] for stair in table["stairs"]] == [None] * 3
    assert (
        "0 within the interval (3 more may be"
        in cli("staircase", run, "--runs-dir", tmp_path).stdout
    )


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ((3.0, 4.0), True),
        ((1.0, 4.0), None),
        ((4.0, 9.0), None),
        ((0.0, 1.0), False),
        ((6.0, 7.0), False),
    ],
)
def test_what_lies_between_two_records(records, wanted):
    assert lies_within(records, 2.0, 5.0) is wanted
    assert lies_within((float("nan"), float("nan")), 2.0, 5.0) is False


def test_a_run_that_has_not_come_so_far_says_so(cli, tmp_path):
    steps = ("--set", "train.steps=300")
    assert cli("run", "first-look", *steps, "--headless", "--runs-dir", tmp_path).returncode == 0
    (run,) = (entry.name for entry in tmp_path.iterdir() if entry.name[0].isdigit())
    assert (
        "no drop: the time that was asked for is over"
        in cli("staircase", run, "--runs-dir", tmp_path).stdout
    )


def test_what_has_no_staircase_is_refused_in_a_sentence(cli):
    for words, said in (
        (("grokking",), "loss.kind 'logistic'"),
        (("first-look", "--set", "train.rule=normalized"), "allowed: 'constant', 'flow'"),
        (("first-look", "--set", "train.batch=2"), "allowed here: 0"),
        (("first-look", "--set", "init.scale=0"), "0"),
        (("vss22-5.1",), "allowed"),
    ):
        done = cli("staircase", *words)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert said in done.stderr
