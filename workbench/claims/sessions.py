"""Claims over real runs: headless sessions in the runs folder, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.claims.claim import Claim, Result, Size
from workbench.claims.lab import Lazy, TrainedMember, TrainedRun
from workbench.config.run import RunConfig
from workbench.config.study import StudyConfig, member_config
from workbench.errors import StorageError, WorkbenchError
from workbench.figures import draw_figure, save_figure
from workbench.models.structure import Structure
from workbench.record.reader import RunReader
from workbench.run.member_run import MemberRecords, run_members
from workbench.run.session import Session
from workbench.run.stored import StoredRun
from workbench.study.grid import grid_of
from workbench.study.plan import plan_of

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

    def study(self, study: StudyConfig) -> list[TrainedMember]:
        """Train all members, a shard after the other, in the order of the grid.

        Raises:
            WorkbenchError: a member does not fit.
        """
        plan = plan_of(study, grid_of(study))
        found: dict[int, TrainedMember] = {}
        for shard in plan.shards:
            settings = [plan.settings[number] for number in shard.members]
            config = member_config(study, settings[0])
            report = partial(self._shard_report, study.name, len(found), plan.count, config)
            records = run_members(config, settings, series=study.study.keep, progress=report)
            for place, number in enumerate(shard.members):
                found[number] = trained_member(study, settings[place], records, place)
        self.report(study.name, 1.0)
        return [found[number] for number in range(plan.count)]

    def _shard_report(
        self, name: str, before: int, count: int, config: RunConfig, step: int, going: int
    ) -> None:
        """Members done before this shard, and the part of its steps, of all."""
        part = step / max(1, config.train.steps)
        self.report(name, min(ALMOST, (before + going * part) / count))


def trained_member(
    study: StudyConfig, settings: Mapping[str, Any], records: MemberRecords, place: int
) -> TrainedMember:
    """A member out of those stepped together, up to the record where it ended."""
    rows = records.step <= records.last_step[place]
    return TrainedMember(
        settings,
        member_config(study, settings),
        records.status[place],
        records.step[rows],
        {name: series[rows, place] for name, series in records.series.items()},
        records.theta[place],
    )


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
