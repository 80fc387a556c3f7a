"""A launcher without processes: what becomes of each shard, try by try, is written down beforehand."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.config.study import StudyConfig, parse_study
from workbench.record.shard_file import ShardRecord, write_shard
from workbench.study.folder import shard_path
from workbench.study.launchers.launcher import Ended, Report
from workbench.study.plan import read_plan

STEPS = 50
BASE: dict[str, Any] = {
    "name": "scripted",
    "data": {"kind": "kh24-circle", "n": 10},
    "model": {"kind": "squared-relu", "width": 4},
    "train": {"lr": 1e-3, "steps": STEPS},
    "device": {"kind": "cpu"},
}


def study(count: int = 6, a_shard: int = 2, **tables: Any) -> StudyConfig:
    """`count` seeds, so many a shard."""
    grid = {"init.seed": list(range(count))}
    return parse_study({**BASE, "study": {"members": a_shard}, "grid": grid, **tables}, "a test")


def write(
    folder: Path,
    number: int,
    statuses: Mapping[int, str] | None = None,
    *,
    done: bool = True,
    last_step: int = STEPS,
) -> None:
    """A shard's file as a worker leaves it; members have finished but for those in `statuses`."""
    plan = read_plan(folder)
    members = next(shard.members for shard in plan.shards if shard.number == number)
    said = [(statuses or {}).get(k, "finished" if done else "running") for k in members]
    member = {
        "number": np.array(members),
        "status": np.array(said),
        "reason": np.array(["it raised" if one == "failed" else "" for one in said]),
        "last_step": np.full(len(members), last_step),
        "seconds": np.ones(len(members)),
        "settings": np.array([json.dumps(plan.settings[k]) for k in members]),
    }
    state = {} if done else {"members/theta": np.arange(3.0) + number}
    attributes = {"status": "done" if done else "running", "engine": "kernel", "shard": number}
    write_shard(shard_path(folder, number), ShardRecord(attributes, member, state=state))


Act = Callable[[int], Report]


class Scripted:
    """Does to each shard what `acts` says, try by try; where it says nothing, the shard is done."""

    def __init__(self, folder: Path, acts: Mapping[int, Sequence[Act]] | None = None) -> None:
        self.folder = folder
        self.acts = {number: deque(each) for number, each in (acts or {}).items()}
        self.given: list[int] = []
        self.waiting: deque[int] = deque()
        self.closed = False

    @property
    def open(self) -> int:
        return len(self.waiting)

    def start(self) -> None:
        assert not self.given

    def submit(self, number: int) -> None:
        assert number not in self.waiting
        self.given.append(number)
        self.waiting.append(number)

    def poll(self, seconds: float) -> Sequence[Report]:
        if not self.waiting:
            return []
        number = self.waiting.popleft()
        if acts := self.acts.get(number):
            return [acts.popleft()(number)]
        write(self.folder, number)
        return [Ended(number)]

    def cancel(self) -> None:
        self.waiting.clear()

    def close(self) -> None:
        self.closed = True
