"""`workbench staircase`: its table, its JSON, a run held against it, and what it is not for."""

from __future__ import annotations

import json

STEPS = ("--set", "train.steps=4000", "--set", "pause.at_saddle=false")


def test_drops_are_foreseen_and_a_run_is_held_against_them(cli, tmp_path):
    before = cli("staircase", "first-look")
    assert before.returncode == 0
    assert "Drops of the risk" in before.stdout
    assert cli("run", "first-look", *STEPS, "--headless", "--runs-dir", tmp_path).returncode == 0
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
