"""What is left to do of a study: shards that are not done, and members of done ones that failed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import StorageError
from workbench.record.shard_file import read_shard
from workbench.study.folder import shard_path
from workbench.study.outcome import MemberStatus
from workbench.study.plan import Plan, ShardPlan

AGAIN = (MemberStatus.FAILED, MemberStatus.LOST)
"""What is tried again when the user asks to go on."""


@dataclass(frozen=True)
class ShardState:
    """A shard as its file says: whether it is done, and of every member its status and its last step.

    `fresh`: there is nothing in it to go on from. `damaged`: why its file cannot be read, or empty.
    """

    done: bool
    statuses: Mapping[int, str]
    last_steps: Mapping[int, int]
    fresh: bool
    damaged: str = ""

    def having(self, statuses: Iterable[str]) -> list[int]:
        """The members whose status is one of these."""
        wanted = set(statuses)
        return [k for k, said in self.statuses.items() if said in wanted]


NOT_BEGUN = ShardState(False, {}, {}, True)


def shard_state(folder: Path, shard: ShardPlan) -> ShardState:
    """A shard's state, with only those members that the plan gives it; never raises."""
    path = shard_path(folder, shard.number)
    if not os.path.lexists(path):
        return NOT_BEGUN
    try:
        found = read_shard(path, ("member",))
        member = found.member
        rows = {int(k): row for row, k in enumerate(member["number"].tolist())}
        mine = {k: rows[k] for k in shard.members}
        return ShardState(
            found.attributes["status"] == "done",
            {k: str(member["status"][row]) for k, row in mine.items()},
            {k: int(member["last_step"][row]) for k, row in mine.items()},
            "engine" not in found.attributes,
        )
    except (StorageError, KeyError, IndexError) as error:
        return replace(NOT_BEGUN, damaged=str(error) or "its members are not the plan's")


def split(plan: Plan, shard: ShardPlan, apart: Iterable[int]) -> tuple[Plan, ShardPlan]:
    """The plan with some members of a shard in a new one, and that one."""
    leaving = set(apart)
    number = max(s.number for s in plan.shards) + 1
    new = ShardPlan(number, tuple(k for k in shard.members if k in leaving))
    rest = replace(shard, members=tuple(k for k in shard.members if k not in leaving))
    shards = tuple(rest if s.number == shard.number else s for s in plan.shards)
    return replace(plan, shards=(*shards, new)), new
