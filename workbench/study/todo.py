"""What is left to do of a shard, by its file: whether it is done, and which of its members failed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import StorageError
from workbench.record.shard_file import read_shard
from workbench.study.folder import shard_path
from workbench.study.outcome import MemberStatus
from workbench.study.plan import ShardPlan

AGAIN = (MemberStatus.FAILED, MemberStatus.LOST)
"""Members that are tried again when the user asks to go on."""


@dataclass(frozen=True)
class ShardState:
    """`statuses` and `last_steps` of the members that have begun; `damaged`: why the file cannot be read."""

    done: bool
    statuses: Mapping[int, str]
    last_steps: Mapping[int, int]
    damaged: str = ""

    def having(self, statuses: Iterable[str]) -> list[int]:
        """The members whose status is one of these."""
        wanted = set(statuses)
        return [k for k, said in self.statuses.items() if said in wanted]


NOT_BEGUN = ShardState(False, {}, {})


def shard_state(folder: Path, shard: ShardPlan) -> ShardState:
    """What a shard's file says; never raises."""
    path = shard_path(folder, shard.number)
    if not os.path.lexists(path):
        return NOT_BEGUN
    try:
        found = read_shard(path, ("member",))
        numbers = found.member["number"].tolist()
        statuses = [str(status) for status in found.member["status"].tolist()]
        steps = [int(step) for step in found.member["last_step"].tolist()]
        if tuple(numbers) != shard.members:
            return replace(NOT_BEGUN, damaged="it has other members than the plan.")
        return ShardState(
            found.attributes["status"] == "done",
            dict(zip(numbers, statuses, strict=True)),
            dict(zip(numbers, steps, strict=True)),
        )
    except (StorageError, KeyError) as error:
        return replace(NOT_BEGUN, damaged=str(error))
