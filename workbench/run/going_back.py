"""Where a stored run goes on: at its newest good checkpoint. Damage is named, nothing forgotten for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import BadInput, StorageError, clean_text
from workbench.protocol.status import RunStatus, status_of
from workbench.record.checkpoint import Checkpoint, Refused, list_checkpoints, newest_good
from workbench.run.stored import StoredRun

CHECKPOINTED = {RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.STALLED, RunStatus.PAUSED}
"""Statuses that a run takes with a checkpoint of its last step."""


@dataclass(frozen=True)
class GoingBack:
    """A run goes back further than a kill explains.

    Attributes:
        why: in words.
        checkpoints: those that do not count any more.
        last: the step of the last record that it has.
    """

    why: str
    checkpoints: tuple[Path, ...]
    last: int

    def event(self, place: Path) -> str:
        """What the run's events say of it; `place`: where what it had is kept."""
        return f"{self.why}; what was recorded up to step {self.last:,} is kept in {place.name}"

    def notice(self, folder: Path, at: int, place: Path) -> str:
        """What whoever resumes the run is told, in a sentence."""
        return (
            f"run {clean_text(folder.name, 120)} goes on from step {at:,}: {self.why}; what was "
            f"recorded up to step {self.last:,} is kept in '{clean_text(str(place))}'."
        )


def going_on(run: StoredRun, restart: bool) -> tuple[Checkpoint | None, GoingBack | None]:
    """The checkpoint that a run goes on from, None for its start, and whether that is a step back.

    A run that was killed before its first checkpoint has one record at most, and goes on from its start.

    Raises:
        StorageError: the run has records and no checkpoint that can be read, and is not to `restart`.
        BadInput: it would restart, and started from a state of another run.
    """
    last = run.last_record
    if restart:
        _require_own_start(run)
        every = tuple(path for _, path in list_checkpoints(run.folder))
        if last < 0 and not every:
            return None, None
        return None, GoingBack("restarted, as --restart asks", every, last)
    checkpoint, refused = newest_good(
        run.folder, known=last, run_id=str(run.reader.attributes.get("run_id", ""))
    )
    if checkpoint is None:
        if refused or run.reader.n_records > 1:
            raise _no_way_on(run, refused)
        _require_own_start(run)
        return None, None
    if refused:
        why = f"the checkpoint of step {refused[0].step:,} cannot be used ({_reason(refused[0])})"
    elif _lacks_later(run, checkpoint):
        why = f"the checkpoints after that of step {checkpoint.step:,} are missing"
    else:
        return checkpoint, None
    return checkpoint, GoingBack(why, tuple(found.path for found in refused), last)


def _lacks_later(run: StoredRun, checkpoint: Checkpoint) -> bool:
    """Whether the records go on past where the next checkpoint must have been written."""
    if status_of(str(run.reader.attributes.get("status", ""))) in CHECKPOINTED:
        return run.last_record > int(checkpoint.arrays["recorded_step"])
    every = run.config.checkpoint.every
    return run.last_record > (checkpoint.step // every + 1) * every


def _reason(refused: Refused) -> str:
    """Why, without the folders and the full stop, short enough to stand within another sentence."""
    reason = refused.reason.replace(clean_text(str(refused.path)), refused.path.name)
    return clean_text(reason.removesuffix("."), 200)


def _no_way_on(run: StoredRun, refused: list[Refused]) -> StorageError:
    name = clean_text(run.folder.name, 120)
    left = (
        f"no checkpoint that can be used ({_reason(refused[0])})"
        if refused
        else "no checkpoint left"
    )
    again = _parent(run) or f"begin it again at step 0: workbench resume {name} --restart"
    return StorageError(
        f"run {name} has {left}; its {run.reader.n_records:,} records up to step "
        f"{run.last_record:,} stay as they are; to {again}"
    )


def _require_own_start(run: StoredRun) -> None:
    again = _parent(run)
    if again:
        raise BadInput(
            f"run {clean_text(run.folder.name, 120)} started from a state of another run and cannot "
            f"be begun again by itself; to {again}"
        )


def _parent(run: StoredRun) -> str:
    """How to fork anew, for a fork; else empty."""
    kept = run.reader.attributes
    parent, step, push = (kept.get(f"parent{key}", "") for key in ("", "_step", "_push"))
    return f"begin it again: workbench fork {parent} --at {step} {push}".rstrip() if parent else ""
