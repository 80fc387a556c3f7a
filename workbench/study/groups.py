"""Members of equal shapes, which one shard can step at once, and the check that every member's settings fit.

What does not depend on a seed is checked once for all seeds: a thousand starts at four scales are four
configurations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.arrays import Int
from workbench.config.run import RunConfig
from workbench.config.study import StudyConfig, member_config
from workbench.data.dataset import Dataset
from workbench.data.load import load_dataset, require_repeatable
from workbench.errors import BadInput
from workbench.run.members import FREE_RATES, FREE_TABLES
from workbench.study.settings import Settings

SAME_SHAPE = ("gaussian-separable", "jt20-planar")
"""Kinds of data whose seed changes neither the inputs' shape nor the kind of labels."""


@dataclass(frozen=True, eq=False)
class Group:
    """Members, by number, that may be stepped together; `config` and `dataset` are the first one's."""

    config: RunConfig
    dataset: Dataset
    members: Int[np.ndarray, " M"]


def groups_of(study: StudyConfig, settings: Settings, first: int) -> list[Group]:
    """The groups of the members from number `first` on, in the order in which they begin.

    Raises:
        BadInput: a member's settings do not fit, or its samples cannot be had; it is named.
    """
    if first >= len(settings):
        return []
    checked = _Checked(study, settings)
    free = _free_seeds(study, settings)
    places = settings.places[first:]
    apart = [k for k, key in enumerate(settings.values) if key not in free]
    which, begins = _distinct(places[:, apart])
    names = [checked.group(first + begin) for begin in begins]
    for k, key in enumerate(settings.values):
        if key in free:
            for begin in _distinct(places[:, [k]])[1]:
                checked.config(first + begin)
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    group_of = np.array([order[name] for name in names])[which]
    return [
        Group(*checked.made[name], first + np.flatnonzero(group_of == number))
        for name, number in order.items()
    ]


def _distinct(rows: Int[np.ndarray, "M K"]) -> tuple[Int[np.ndarray, " M"], list[int]]:
    """Which of the distinct rows each one is, and where each of those is first met, in that order."""
    if rows.shape[1] == 0:
        return np.zeros(len(rows), dtype=np.int64), [0]
    _, begins, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(begins)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[which.reshape(-1)], begins[order].tolist()


def _free_seeds(study: StudyConfig, settings: Settings) -> tuple[str, ...]:
    """Seeds whose value changes no shape, and fits or does not fit whatever the other keys are."""
    data = study.base.data.kind in SAME_SHAPE and "data.kind" not in settings.values
    return ("init.seed", "data.seed") if data else ("init.seed",)


@dataclass
class _Checked:
    """Members whose configuration was read, and by name what a group's first member is."""

    study: StudyConfig
    settings: Settings
    made: dict[str, tuple[RunConfig, Dataset]] = field(default_factory=dict)
    shapes: dict[str, tuple[Dataset, list[Any]]] = field(default_factory=dict)

    def config(self, member: int) -> RunConfig:
        return member_config(self.study, self.settings[member], f"member {member}")

    def group(self, member: int) -> str:
        """The name of the group that a member is in."""
        config = self.config(member)
        table = config.data.model_dump_json()
        if table not in self.shapes:
            self.shapes[table] = _shape(config, member)
        dataset, shape = self.shapes[table]
        name = json.dumps([_alike(config), shape], sort_keys=True)
        self.made.setdefault(name, (config, dataset))
        return name


def _shape(config: RunConfig, member: int) -> tuple[Dataset, list[Any]]:
    """A member's samples, and what of them is the same for all of a shard."""
    try:
        dataset = load_dataset(config.data)
        if config.data_classes:
            require_repeatable(config.data, dataset)
    except BadInput as error:
        raise BadInput(f"member {member}: {error}") from error
    classes = dataset.n_classes if dataset.labels == "classes" else 0
    held = [] if dataset.test is None else ["held out"]
    several = [f"{dataset.targets} targets"] if dataset.targets > 1 else []
    return dataset, [*dataset.x.shape, dataset.labels, classes, *held, *several]


def _alike(config: RunConfig) -> dict[str, Any]:
    """What members of a shard have in common: everything but their start, their samples, their rates."""
    table = config.model_dump(mode="json", by_alias=True, exclude={"name", "description"})
    for name in FREE_TABLES:
        table[name] = table[name]["kind"]
    for name in FREE_RATES:
        del table["train"][name]
    table["train"]["decays"] = config.train.weight_decay > 0.0
    return table
