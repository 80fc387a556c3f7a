"""The command line as a process, and a runs folder with good, strange and broken runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from tests.record import sample_run

ROOT = Path(__file__).resolve().parents[2]
GOOD, TWIN = "20260101-000000-sample-abcd", "20260101-000001-sample-abce"


@pytest.fixture(scope="session")
def cli():
    """Runs `workbench …` in a process of its own, without a terminal; the result has its texts."""

    def run(*arguments, runs=None, cwd=ROOT, **environment):
        env = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT), **environment}
        env.pop("WORKBENCH_RUNS", None)
        if runs is not None:
            env["WORKBENCH_RUNS"] = str(runs)
        command = [sys.executable, "-m", "commands.main", *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "Traceback" not in done.stdout, done.stdout
        return done

    return run


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two good runs, one cut short, one foreign HDF5 file, one that is text."""
    folder = tmp_path_factory.mktemp("runs")
    sample_run.finished(folder / GOOD)
    sample_run.finished(folder / TWIN, 40)
    cut = folder / "20260101-000002-cut-0001"
    sample_run.finished(cut)
    whole = (cut / "run.h5").read_bytes()
    (cut / "run.h5").write_bytes(whole[: len(whole) // 3])
    foreign = folder / "20260101-000003-foreign-0001"
    foreign.mkdir()
    with h5py.File(foreign / "run.h5", "w") as file:
        file["weather"] = [1.0, 2.0]
    text = folder / "20260101-000004-text-0001"
    text.mkdir()
    (text / "run.h5").write_text("this is no run\n")
    return folder
