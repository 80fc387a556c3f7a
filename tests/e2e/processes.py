"""Headless `workbench` processes for tests, and the runs they leave held against each other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from e2e.kill_kinds import KINDS, settings
from e2e.terminal import ROOT, WORKBENCH, wait_until

from workbench.record.checkpoint import latest_checkpoint, list_checkpoints
from workbench.record.folder import list_runs
from workbench.record.reader import RunReader


def surroundings(**more: str) -> dict[str, str]:
    """This process's environment, for a `workbench` of this tree."""
    found = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}
    found.pop("WORKBENCH_RUNS", None)
    return found


def started(
    arguments: Sequence[object],
    *,
    before: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    **how: Any,
) -> subprocess.Popen[str]:
    """A `workbench` process; `before` are words that the shell would have before it, such as nohup."""
    return subprocess.Popen(
        [*before, *WORKBENCH, *map(str, arguments)],
        cwd=ROOT,
        env=surroundings(**(env or {})),
        text=True,
        stdin=subprocess.DEVNULL,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
    )


def toml_of(place: Path, kind: str = "records") -> Path:
    """A run's configuration, of a kind or as it stands, in a file."""
    known = kind in KINDS
    path = place / (f"{kind}.toml" if known else "own.toml")
    path.write_text(settings(kind) if known else kind)
    return path


def training(runs: Path, process: subprocess.Popen[str], step: int = 1) -> Path:
    """The folder of the run, once it has a checkpoint of that step or later."""

    def far() -> Path | None:
        assert process.poll() is None, process.communicate()
        for folder in list_runs(runs) if runs.exists() else []:
            if any(reached >= step for reached, _ in list_checkpoints(folder)):
                return folder
        return None

    return wait_until(far, 60, "for a checkpoint")


def differences(one: Path, other: Path) -> list[str]:
    """Where two finished runs differ, to the last bit."""
    with RunReader(one) as a, RunReader(other) as b:
        names = a.series_names()
        wrong = [] if names == b.series_names() else ["other series"]
        wrong += [name for name in names if a.read(name).tobytes() != b.read(name).tobytes()]
    mine, theirs = latest_checkpoint(one), latest_checkpoint(other)
    assert mine is not None
    assert theirs is not None
    wrong += [
        k for k, array in mine.arrays.items() if array.tobytes() != theirs.arrays[k].tobytes()
    ]
    return wrong + ([] if mine.step == theirs.step else ["another last step"])
