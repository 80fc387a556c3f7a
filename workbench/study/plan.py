"""Which member of a study has which number, and which shard steps it; `plan.json` in the study's folder.

A member is its settings. Its number is its place in the grid when the study begins; what the grid gains later
gets the next numbers, in shards of its own, and what is there keeps its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workbench import __version__
from workbench.config.study import StudyConfig
from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.atomic import write_text
from workbench.study.grid import ABSENT, Grid, setting_of
from workbench.study.settings import Settings, settings_of
from workbench.study.unchanged import require_unchanged

PLAN_FILE = "plan.json"
SCHEMA = 1


@dataclass(frozen=True)
class ShardPlan:
    """A shard: members, by number, that are stepped together."""

    number: int
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """The members of a study and their shards.

    `settings`: of every member by number. `base` and `kept`: what members change, and what is kept of them,
    as they were when the study began.
    """

    settings: Settings
    shards: tuple[ShardPlan, ...]
    base: Mapping[str, Any]
    kept: Mapping[str, Any]

    @property
    def count(self) -> int:
        """M."""
        return len(self.settings)

    @cached_property
    def shard_of(self) -> Mapping[int, int]:
        """The number of the shard of every member."""
        return {member: shard.number for shard in self.shards for member in shard.members}


def plan_of(study: StudyConfig, grid: Grid) -> Plan:
    """Every member of a grid of which nothing has been run.

    Raises:
        BadInput: a member's settings do not fit; it is named.
    """
    places = np.indices(grid.shape, dtype=np.int32).reshape(len(grid.shape), grid.count).T
    columns = [d for d, dimension in enumerate(grid.dimensions) for _ in dimension.keys]
    values = {
        key: tuple(choice[k] for choice in dimension.values)
        for dimension in grid.dimensions
        for k, key in enumerate(dimension.keys)
    }
    settings = Settings(values, np.ascontiguousarray(places[:, columns]))
    shards = _shards(study, settings, 0, 0)
    return Plan(settings, shards, study.table, study.study.model_dump(mode="json"))


def extended(plan: Plan, study: StudyConfig, grid: Grid) -> Plan:
    """The plan with what its grid has gained: new members at the end, in shards of their own.

    What the grid has lost keeps its number and what is known of it. A key that is new there has, for the
    members of before, the value that their runs had.

    Raises:
        BadInput: what all members share has changed since the study began, or a new member does not fit.
    """
    require_unchanged(plan.base, plan.kept, study)
    known = {grid.index(settings) for settings in plan.settings}
    new = [
        grid.settings(member)
        for member, place in enumerate(np.ndindex(*grid.shape))
        if place not in known
    ]
    keys = tuple(dict.fromkeys((*plan.settings.values, *grid.keys)))
    if not new and len(keys) == len(plan.settings.values):
        return plan
    before = (_filled(settings, keys, study.table) for settings in plan.settings)
    settings = settings_of((*before, *new), keys)
    first = max((shard.number for shard in plan.shards), default=-1) + 1
    shards = _shards(study, settings, plan.count, first)
    return Plan(settings, (*plan.shards, *shards), plan.base, plan.kept)


def _filled(
    settings: Mapping[str, Any], keys: Sequence[str], base: Mapping[str, Any]
) -> dict[str, Any]:
    """A member's settings, and of the keys that it does not set those that its run has."""
    found = {key: setting_of(base, settings, key) for key in keys}
    return {key: value for key, value in found.items() if value is not ABSENT}


def _shards(
    study: StudyConfig, settings: Settings, first: int, number: int
) -> tuple[ShardPlan, ...]:
    """The members from number `first` on, cut into shards that are counted from `number` on."""
    # Reading a plan needs no torch.
    from workbench.study.groups import groups_of
    from workbench.study.weight import members_a_shard, weight_of

    found: list[ShardPlan] = []
    for group in groups_of(study, settings, first):
        members = group.members.tolist()
        try:
            weight = weight_of(group, study.study)
        except BadInput as error:
            raise BadInput(f"member {members[0]}: {error}") from error
        size = members_a_shard(weight, len(members), study.study, study.launcher)
        for start in range(0, len(members), size):
            part = tuple(members[start : start + size])
            found.append(ShardPlan(number + len(found), part))
    return tuple(found)


def write_plan(folder: Path, plan: Plan) -> None:
    """Write `plan.json` in a study's folder, atomically; raises StorageError."""
    columns = zip(plan.settings.values.items(), plan.settings.places.T.tolist(), strict=True)
    table = {
        "schema": SCHEMA,
        "workbench": __version__,
        "base": plan.base,
        "study": plan.kept,
        "members": plan.count,
        "settings": {key: {"values": values, "member": row} for (key, values), row in columns},
        "shards": [{"number": shard.number, "members": shard.members} for shard in plan.shards],
    }
    write_text(folder / PLAN_FILE, json.dumps(table, ensure_ascii=False) + "\n")


def read_plan(folder: Path) -> Plan:
    """The plan in a study's folder.

    Raises:
        StorageError: there is none, it is damaged, or of a later workbench.
    """
    path = folder / PLAN_FILE
    shown = clean_text(str(path))
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"cannot read '{shown}': {clean_text(str(error), 160)}.") from error
    except ValueError as error:
        raise StorageError(f"'{shown}' is damaged: {clean_text(str(error), 160)}.") from error
    try:
        if table["schema"] != SCHEMA:
            raise StorageError(
                f"'{shown}' has schema {clean_text(str(table['schema']), 20)}, and this workbench "
                f"knows {SCHEMA}."
            )
        return _read(table)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise StorageError(f"'{shown}' is damaged: it is no plan of a study.") from error


def _read(table: Mapping[str, Any]) -> Plan:
    columns = {key: column["member"] for key, column in table["settings"].items()}
    values = {key: tuple(column["values"]) for key, column in table["settings"].items()}
    count = int(table["members"])
    places = np.array(list(columns.values()), dtype=np.int32).reshape(len(columns), count).T
    for column, known in zip(places.T, values.values(), strict=True):
        if count and not -1 <= column.min() <= column.max() < len(known):
            raise ValueError("a member's setting is none of the key's values")
    shards = tuple(
        ShardPlan(int(shard["number"]), tuple(int(m) for m in shard["members"]))
        for shard in table["shards"]
    )
    members = sorted(member for shard in shards for member in shard.members)
    numbers = {shard.number for shard in shards}
    if members != list(range(count)) or len(numbers) != len(shards):
        raise ValueError("a member is in no shard, or in two")
    return Plan(
        Settings(values, np.ascontiguousarray(places)), shards, table["base"], table["study"]
    )
