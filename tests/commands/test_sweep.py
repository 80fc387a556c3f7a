"""`workbench sweep`: what it says first, and what it refuses before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app
from workbench.errors import BadInput

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
        (["init.seed=1", "--on", "slrm"], "launcher.kind"),
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
