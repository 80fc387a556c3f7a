"""Claims over real runs: headless sessions in the runs folder, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from workbench.arrays import Array
from workbench.claims.claim import Claim, Result, Size
from workbench.claims.lab import Lazy, TrainedRun
from workbench.config.run import RunConfig
from workbench.errors import StorageError, WorkbenchError
from workbench.figures import draw_figure, save_figure
from workbench.models.structure import Structure
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.run.stored import StoredRun

POLL_SECONDS = 0.1
ALMOST = 0.999
"""Most that is reported of a run that has not ended: 1 is told once."""
Report = Callable[[str, float], None]


def _silent(name: str, fraction: float) -> None:
    del name, fraction


class SessionLab:
    """A `Lab` that trains with sessions and leaves their runs in `runs_dir`.

    `report` is told the run's name and the fraction of its steps done.
    """

    def __init__(self, runs_dir: Path, report: Report = _silent) -> None:
        self.runs_dir, self.report = runs_dir, report

    def train(self, config: RunConfig) -> TrainedRun:
        """Train to the end and read the run's file back.

        Raises:
            WorkbenchError: the run failed, or cannot be stored.
        """
        with Session.create(config, self.runs_dir) as session:
            session.start()
            while not session.wait(POLL_SECONDS):
                snapshot = session.engine.snapshot
                done = 0 if snapshot is None else snapshot.step
                self.report(config.name, min(ALMOST, done / max(1, config.train.steps)))
        self.report(config.name, 1.0)
        error = session.engine.error
        if isinstance(error, WorkbenchError):
            raise error
        if error is not None:
            raise StorageError(f"run {session.folder.name} failed: {error}") from error
        return trained_run(session.folder, session.experiment.structure)


def trained_run(folder: Path, structure: Structure) -> TrainedRun:
    """What a finished run recorded; raises StorageError where it cannot be read."""
    with RunReader(folder) as reader:
        step = reader.read("step")
        return TrainedRun(
            step,
            reader.read("time"),
            reader.read("log_risk"),
            reader.read("theta") if reader.has("theta") else np.zeros((len(step), 0)),
            structure,
            folder,
            Lazy(reader.series_names(), partial(_series, folder)),
            Lazy(StoredRun(folder).checkpoints.tolist(), partial(_state, folder)),
        )


def _series(folder: Path, name: str) -> Array:
    with RunReader(folder) as reader:
        return np.asarray(reader.read(name))


def _state(folder: Path, step: int) -> Array:
    with StoredRun(folder) as run:
        return run.theta(step)


def run_claim(claim: Claim, runs_dir: Path, size: Size, report: Report = _silent) -> Result:
    """Run a claim with sessions in `runs_dir`, and time it.

    Raises:
        WorkbenchError: a run failed, or cannot be stored.
    """
    begun = perf_counter()
    result = claim.run(SessionLab(runs_dir, report), size)
    return replace(result, seconds=perf_counter() - begun)


def save_claim_figure(result: Result) -> Path | None:
    """Draw the claim's figure beside the run it left behind; None where there is neither.

    Raises:
        StorageError: the run cannot be read, or the figure not written.
    """
    if result.run is None or not result.claim.figure:
        return None
    target = result.run / f"{result.claim.id}-{result.claim.figure}.png"
    with RunReader(result.run) as reader:
        return save_figure(draw_figure(reader, result.claim.figure), target)
