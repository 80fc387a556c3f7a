"""What a shell is offered at the tab key, through the command itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.config.refusals import keys_of
from workbench.config.run import RunConfig

ROOT = Path(__file__).parents[2]


def offered(line: str, cwd: Path) -> list[str]:
    """What bash would be given for a line whose cursor stands at its end."""
    words = line.split(" ")
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_WORKBENCH_COMPLETE": "complete_bash",
    }
    env.pop("WORKBENCH_RUNS", None)
    done = subprocess.run(
        [sys.executable, "-m", "commands.main"],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout.split()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("20260101-000000-a-0001", "20260102-000000-b-0002"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.h5").touch()
    (tmp_path / "runs" / "no-run").mkdir()
    (tmp_path / "mine.toml").touch()
    (tmp_path / "mine.csv").touch()
    return tmp_path


def test_presets_and_files(place: Path) -> None:
    assert "kh24-fig1" in offered("workbench run kh24-f", place)
    assert offered("workbench run mi", place) == ["mine.toml"]
    assert offered("workbench run ru", place) == ["runs/"]


def test_runs_newest_first(place: Path) -> None:
    both = ["last", "20260102-000000-b-0002", "20260101-000000-a-0001"]
    assert offered("workbench show ", place) == both
    assert offered("workbench inspect 20260101", place) == both[2:]
    (place / "elsewhere").mkdir()
    assert offered("workbench show --runs-dir elsewhere ", place) == ["last"]
    # What cannot be listed offers nothing, and no traceback.
    assert offered("workbench show --runs-dir mine.csv ", place) == ["last"]


def test_settings_up_to_their_value(place: Path) -> None:
    found = offered("workbench run kh24-fig1 --set init.", place)
    assert {"init.kind=", "init.scale=", "init.seed="} <= set(found)
    assert all(name.startswith("init.") for name in found)


def test_every_key_that_is_offered_is_one() -> None:
    keys = keys_of(RunConfig)
    assert {"name", "train.lr", "model.class", "data.test"} <= set(keys)
    assert "model" not in keys
    assert len(keys) == len(set(keys))
