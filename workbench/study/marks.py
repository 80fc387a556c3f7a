"""What is written into a shard by who drives it, as its process could not: who was lost or failed, and why.

Members that had ended stay as they are, and what the shard goes on from stays in its file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench import __version__
from workbench.errors import StorageError
from workbench.record.lock import RunLock
from workbench.record.process import host_name
from workbench.record.shard_file import ShardRecord, read_shard, write_shard
from workbench.record.subject import shard_subject
from workbench.record.values import Value
from workbench.study.folder import shard_path
from workbench.study.outcome import MemberStatus
from workbench.study.plan import Plan, ShardPlan

OVER = (*(status for status in MemberStatus if status.ended), MemberStatus.FAILED)
"""What a member's status is that its shard has nothing left to do for."""


def mark(folder: Path, plan: Plan, shard: ShardPlan, status: MemberStatus, reason: str) -> None:
    """Say of every member of a shard that is not over what became of it.

    Raises:
        RunBusy: a process is at the shard.
        StorageError: the file cannot be written.
    """
    path = shard_path(folder, shard.number)
    with RunLock(path.parent, beats=False, subject=shard_subject(shard.number)):
        try:
            record = read_shard(path)
        except StorageError:
            record = _unbegun(folder, shard, [plan.settings[k] for k in shard.members])
        open_ones = [said not in OVER for said in record.member["status"].tolist()]
        columns = dict(record.member)
        for name, text in (("status", status.value), ("reason", reason)):
            columns[name] = np.where(open_ones, text, columns[name].astype(object)).astype(str)
        write_shard(path, replace(record, member=columns))


def _unbegun(folder: Path, shard: ShardPlan, settings: Sequence[Mapping[str, Any]]) -> ShardRecord:
    """The record of a shard of which no step was written."""
    count = len(shard.members)
    attributes: dict[str, Value] = {
        "study_id": folder.resolve().name,
        "shard": shard.number,
        "status": "running",
        "workbench": __version__,
        "host": host_name(),
    }
    member = {
        "number": np.array(shard.members, dtype=np.int64),
        "status": np.array([MemberStatus.WAITING.value] * count),
        "reason": np.array([""] * count),
        "last_step": np.zeros(count, dtype=np.int64),
        "seconds": np.zeros(count),
        "settings": np.array([json.dumps(one) for one in settings]),
    }
    return ShardRecord(attributes, member)
