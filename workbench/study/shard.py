"""Running a shard of a study: claimed, gone on with where it was left, written every few seconds, marked.

Whoever is killed at any moment has lost the steps since the last writing, and nothing else: the file is
replaced whole, and what is gone on from is part of it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.engine.program import StopFlag
from workbench.errors import BadInput, StorageError
from workbench.record.atomic import sync_folder
from workbench.record.heartbeat import read_beat
from workbench.record.lock import RunLock
from workbench.record.shard_file import (
    NewerShard,
    ShardRecord,
    read_shard,
    remove_unfinished,
    write_shard,
)
from workbench.record.subject import shard_subject
from workbench.record.values import Value
from workbench.study.folder import shard_path, shards_folder
from workbench.study.merged import merged
from workbench.study.outcome import MemberStatus, status_of
from workbench.study.plan import ShardPlan
from workbench.study.probe import killers
from workbench.study.shard_run import ShardRun, members_left, shard_run, threads
from workbench.study.stored import StoredStudy

WRITE_SECONDS = 5.0
"""Between two writings of a shard's file, at least; and"""
WRITE_SHARE = 0.05
"""the share of the time that writing may take."""


@dataclass(frozen=True)
class ShardProgress:
    """How far a shard has come: `step` of `steps`, with `going` of `members` still on their way, and
    `member_steps` of `member_steps_total` done, those of members that ended counted to their end."""

    shard: int
    step: int
    steps: int
    going: int
    members: int
    member_steps: int
    member_steps_total: int


@dataclass(frozen=True)
class ShardEnd:
    """What came of it. `stopped`: the flag was raised before the end; it is written as it has come."""

    shard: int
    stopped: bool
    members: Counter[MemberStatus]


def run_shard(
    study_folder: Path,
    number: int,
    *,
    stop_flag: StopFlag | None = None,
    progress: Callable[[ShardProgress], None] | None = None,
) -> ShardEnd:
    """Run a shard, or go on with it; of one that is done the members that failed are run again.

    A member whose own code ended the process that was at the shard before is looked for, and fails alone.

    `stop_flag`: raised from any thread or signal handler, it has the shard written and left, once the chunk
    of steps is done that has begun: a second or so, more where members are many. `progress`: told after every
    chunk.

    Raises:
        RunBusy: another process is at it.
        BadInput: there is no such shard, or what all its members share cannot be used.
        StorageError: it cannot be written, as the disk is full; what was written before is whole.
        ClaimLost: another process took it over.
    """
    study = StoredStudy(study_folder)
    plan = next((plan for plan in study.plan.shards if plan.number == number), None)
    if plan is None:
        raise BadInput(
            f"study '{study.study_id}' has no shard {number}; it has {len(study.plan.shards)}, "
            "counted from 0."
        )
    folder = shards_folder(study.folder)
    _make(folder)
    died = _left_behind(folder, number)
    with RunLock(folder, subject=shard_subject(number)) as claim:
        writer = _Writer(study, plan, claim)
        kept = writer.kept()
        if kept is not None and not members_left(plan, kept):
            return _ended(number, kept, stopped=False)
        run, flag = shard_run(study, plan, kept), stop_flag or StopFlag()
        whole = len(run.members) == len(plan.members)
        writer.others = None if whole else kept
        first = run.members[0].config
        with threads(first.device.threads):
            if died and (first.own_classes or first.data_classes):
                run.doom(killers(study.folder, number, flag))
            return _run(run, writer, flag, progress)


def _run(
    run: ShardRun,
    writer: _Writer,
    flag: StopFlag,
    progress: Callable[[ShardProgress], None] | None,
) -> ShardEnd:
    """Advance to the end, or until the flag is raised, and write on the way."""
    number = writer.plan.number
    due = time.monotonic() + WRITE_SECONDS
    while not run.ended:
        if flag.raised:
            return _ended(number, writer.write(run, "running"), stopped=True)
        run.advance(flag)
        if progress is not None:
            progress(_progress(run, writer.plan))
        if time.monotonic() >= due and not run.ended:
            began = time.monotonic()
            writer.write(run, "running")
            took = time.monotonic() - began
            due = began + took + max(WRITE_SECONDS, took / WRITE_SHARE)
    return _ended(number, writer.write(run, "done"), stopped=False)


class _Writer:
    """Reads and replaces a shard's file, as long as the claim on it stands."""

    def __init__(self, study: StoredStudy, plan: ShardPlan, claim: RunLock) -> None:
        self.plan, self.claim = plan, claim
        self.path = shard_path(study.folder, plan.number)
        self.attributes: dict[str, Value] = {"study_id": study.study_id, "shard": plan.number}
        self.others: ShardRecord | None = None

    def kept(self) -> ShardRecord | None:
        """What is there. A file that is damaged, or of other members, is put aside."""
        remove_unfinished(self.path)
        if not self.path.exists():
            return None
        try:
            found = read_shard(self.path)
        except NewerShard:
            raise
        except StorageError:
            found = None
        if found is not None and tuple(found.member["number"].tolist()) == self.plan.members:
            return found
        self.claim.check()
        os.replace(self.path, self.path.with_suffix(".h5.damaged"))
        return None

    def write(self, run: ShardRun, status: str) -> ShardRecord:
        """Everything known by now, in the file's place."""
        found = run.record(status, self.attributes)
        if self.others is not None:
            found = merged(self.others, found)
        self.claim.check()
        write_shard(self.path, found)
        return found


def _left_behind(folder: Path, number: int) -> bool:
    """Whether a process that had the shard died: it has left its heartbeat."""
    try:
        return read_beat(folder, shard_subject(number).heartbeat_name) is not None
    except OSError:
        return False


def _progress(run: ShardRun, plan: ShardPlan) -> ShardProgress:
    others = len(plan.members) - len(run.members)
    ended = others + len(run.members) - run.going
    done = ended * run.steps + run.going * min(run.step, run.steps)
    return ShardProgress(
        plan.number,
        run.step,
        run.steps,
        run.going,
        len(plan.members),
        done,
        len(plan.members) * run.steps,
    )


def _ended(number: int, record: ShardRecord, *, stopped: bool) -> ShardEnd:
    found = Counter(status_of(status) for status in record.member["status"].tolist())
    return ShardEnd(number, stopped, found)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
    except OSError as error:
        raise StorageError(f"cannot make the folder '{folder}': {error.strerror}.") from error
