"""From a shard's record to the outcome of every member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.record.shard_file import ShardRecord
from workbench.study.outcome import MemberStatus, Outcome, Saddle, status_of
from workbench.study.plan import ShardPlan

NUMBERS = (
    "step",
    "time",
    "log_risk",
    "leaver",
    "escape_step",
    "escape_time",
    "target",
    "target_value",
)
TEXTS = ("verdict", "evidence", "target_kind")


def outcomes_of(
    plan: ShardPlan,
    settings: Sequence[Mapping[str, Any]],
    record: ShardRecord | None,
    problem: str,
    claimed: bool,
) -> tuple[Outcome, ...]:
    """The outcomes of a shard's members, in its order; `settings` of all members of the study.

    `record` None: there is no file, or it cannot be read, for which `problem` has the reason. `claimed`: a
    process is at the shard.
    """
    if record is None:
        status = MemberStatus.RUNNING if claimed else MemberStatus.WAITING
        if problem:
            status = MemberStatus.MISSING
        return tuple(
            Outcome(k, settings[k], status, problem, last={}, end={}) for k in plan.members
        )
    member = record.member
    saddles = saddles_of(record)
    rows = {int(number): row for row, number in enumerate(member["number"])}
    last, end = _columns(record.last), _columns(record.end)
    reasons, steps = member["reason"].tolist(), member["last_step"].tolist()
    statuses, seconds = member["status"].tolist(), member["seconds"].tolist()
    found: list[Outcome] = []
    for k in plan.members:
        row = rows.get(k)
        if row is None:
            found.append(Outcome(k, settings[k], MemberStatus.MISSING, last={}, end={}))
            continue
        status = _status(statuses[row], claimed)
        found.append(
            Outcome(
                k,
                settings[k],
                status,
                reasons[row],
                steps[row],
                seconds[row],
                {name: column[row] for name, column in last.items()},
                tuple(saddles.get(k, ())),
                {name: column[row] for name, column in end.items()},
            )
        )
    return tuple(found)


def _status(said: str, claimed: bool) -> MemberStatus:
    """A member's status by its file's word; one who still goes on is lost where nobody is at the shard."""
    status = status_of(said)
    if status is MemberStatus.RUNNING and not claimed:
        return MemberStatus.LOST
    return status


def _columns(table: Mapping[str, Array]) -> dict[str, Sequence[Any]]:
    """Columns by name, those of one number a member as Python's own."""
    found: dict[str, Any] = {}
    for name, column in table.items():
        found[name] = column.tolist() if column.ndim == 1 else column
    return found


def saddles_of(record: ShardRecord) -> dict[int, list[Saddle]]:
    """Every member's saddles by its number, by rising step."""
    table, point = record.saddle, record.point
    if not table:
        return {}
    columns = {name: table[name].tolist() for name in (*NUMBERS, *TEXTS)}
    bounds = np.searchsorted(point["saddle"], np.arange(len(table["member"]) + 1))
    found: dict[int, list[Saddle]] = {}
    for row, member in enumerate(table["member"].tolist()):
        mine = slice(int(bounds[row]), int(bounds[row + 1]))
        saddle = Saddle(
            **{name: columns[name][row] for name in (*NUMBERS, *TEXTS)},
            target_direction=table["target_direction"][row],
            neuron_target=table["neuron_target"][row],
            point_direction=point["direction"][mine],
            point_value=point["value"][mine],
        )
        found.setdefault(member, []).append(saddle)
    return found
