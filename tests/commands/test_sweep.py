"""`workbench sweep`: what it says first, and what it refuses before anything runs."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands.main import app
from tests.commands.conftest import ROOT
from workbench.errors import BadInput, ExitCode
from workbench.study.stored import StoredStudy

SEEDS, SCALES = "init.seed=range(0,4)", "init.scale=1e-1,1e-2"


def sweep(*words: str) -> str:
    done = CliRunner().invoke(app, ["sweep", "kh24-fig1", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.stdout


def test_a_dry_run_says_what_it_costs_and_makes_nothing(tmp_path: Path) -> None:
    words = (SEEDS, SCALES, "--jobs", "3", "--set", "train.steps=2000", "--dry-run")
    runs = tmp_path / "runs"
    text = sweep(*words, "--runs-dir", str(runs))
    assert text.startswith("8 members in 1 shard, one at a time: about ")
    found = json.loads(sweep(*words, "--json", "--set", "study.members=1", "--name", "mine"))
    assert found["dimensions"] == {"init.seed": 4, "init.scale": 2}
    assert (found["members"], found["shards"], found["jobs"], found["name"]) == (8, 8, 3, "mine")
    assert min(found["seconds"], found["bytes"]) > 0
    assert not runs.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["init.sead=1,2"], "Did you mean 'init.seed'"),
        (["init.scale=1.0,-1.0"], "member 1: init.scale = -1.0"),
        (["init.scale=1.0,-1.0", "init.seed=range(0,3)"], "member 3: init.scale = -1.0"),
        (["init.seed=range(0,1000)", "data.n=range(1,1000)"], "999,000 members; more than 100,000"),
        (["init.seed=range(0,2000)", "data.n=range(1,1000)"], "up to 1,000,000"),
        ([], "nothing to choose from"),
        (["seed=1,2"], "not of the form key=choices"),
        (["init.seed=1", "--on", "slrm"], "Did you mean 'slurm'"),
        (["init.seed=1", "--on", "slurm", "--jobs", "2"], "launcher.pilots"),
        (["init.seed=1", "--finish", "inspct"], "study.finish"),
        (["init.seed=1", "--keep", "log_rsk"], "Did you mean 'log_risk'"),
        (["init.seed=1", "--zip", "train.lr=1.0,2.0", "--zip", "train.steps=1"], "train.lr 2"),
        (["init.seed=1", "--name", "a/b"], "path separator"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(
    words: list[str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as refused:
        sweep(*words, "--runs-dir", str(tmp_path / "runs"))
    assert sentence in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_a_cluster_that_cannot_be_reached_leaves_no_study_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"slurm"):
        sweep(SEEDS, "--on", "slurm", "--runs-dir", str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
    assert sweep(SEEDS, "--on", "slurm", "--dry-run").startswith("4 members in ")


@pytest.mark.full
def test_a_study_is_run_and_a_member_of_it_again(cli: Any, tmp_path: Path) -> None:
    words = (
        "kh24-fig1",
        SEEDS,
        SCALES,
        "--set",
        "train.steps=400",
        "--name",
        "mine",
        "--jobs",
        "2",
    )
    done = cli("sweep", *words, "--json", runs=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 members in " in done.stderr.splitlines()[0]
    found = json.loads(done.stdout)
    assert found["members"] == {"finished": 8}
    again = cli("run", "mine/5", "--headless", "--json", runs=tmp_path)
    assert again.returncode == 0, again.stderr
    run = json.loads(again.stdout)
    assert run["step"] == 400
    study = StoredStudy(Path(found["path"]))
    assert study.outcome(5).settings == {"init.seed": 2, "init.scale": 1e-2}
    assert run["log10_risk"] == study.last("log_risk")[5] / math.log(10.0)


@pytest.mark.full
def test_a_study_that_was_interrupted_goes_on(cli: Any, tmp_path: Path) -> None:
    words = ("kh24-fig1", SEEDS, "--set", "train.steps=3000000", "--name", "mine", "--jobs", "2")
    command = [sys.executable, "-m", "commands.main", "sweep", *words, "--runs-dir", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 100.0
        while not list(tmp_path.glob("*/shards/*.h5")) and time.monotonic() < until:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == int(ExitCode.INTERRUPTED), said
    assert "workbench resume" in said
    (folder,) = (path.parent for path in tmp_path.glob("*/study.toml"))
    before = StoredStudy(folder).progress()
    assert 0 < before.steps_done < before.steps_total
