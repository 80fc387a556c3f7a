"""Runs, or a study's members, as bands: in groups that differ in what the person set, not in their seeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.record.summary import RunSummary
from workbench.tui.browse.curves import RunCurves
from workbench.tui.browse.view import FIRST_SERIES
from workbench.tui.study.bands import MOST_GROUPS, Group, group_of, on_common_x
from workbench.tui.study.look import choice_text
from workbench.tui.widgets.scale import Floats

MOST_RUNS = 64
"""Runs whose curves are read for bands."""
ASIDE = ("name", "description")
"""Keys that make no groups, as seeds make none."""
FIRST = ("init.", "train.", "model.", "data.", "loss.")
"""Keys that people ask for most."""
NAMED = 2
"""Keys of groups that there is room to name."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Groups of curves by series, as it was recorded; `by`: what tells groups apart. `names`: the series that
    there are."""

    by: str
    series: Mapping[str, tuple[Group, ...]]
    names: tuple[str, ...] = ()


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all of some configurations."""
    if not settings:
        return []
    keys = dict.fromkeys(key for one in settings for key in one)
    first = settings[0]
    return [k for k in keys if any(one.get(k) != first.get(k) for one in settings[1:])]


def sort_choices(
    settings: Sequence[Mapping[str, Any]], known: Collection[str]
) -> list[tuple[str, str]]:
    """(key, label) of all keys: those in which configurations differ first, with how; then the others."""
    differ = set(differing(settings)) - set(ASIDE)

    def order(key: str) -> tuple[bool, int, str]:
        place = next((k for k, front in enumerate(FIRST) if key.startswith(front)), len(FIRST))
        return key not in differ, place, key

    keys = sorted({*known} - set(ASIDE), key=order)
    width = max((len(key) for key in keys), default=0)
    return [
        (key, f"{key:<{width}}  {_values(settings, key) if key in differ else ''}") for key in keys
    ]


def _values(settings: Sequence[Mapping[str, Any]], key: str) -> str:
    """The values there are of a key, a few of them."""
    values = list(dict.fromkeys(one[key] for one in settings if key in one))
    try:
        values.sort()
    except TypeError:
        values.sort(key=str)
    said = [choice_text(value) for value in values]
    return " ".join(said) if len(said) <= 4 else f"{said[0]} … {said[-1]} ({len(said)})"


def bands_of(
    runs: Sequence[tuple[RunSummary, RunCurves]],
    names: Sequence[str] = FIRST_SERIES,
    along: Callable[[RunCurves], Floats] = lambda curves: curves.step,
) -> Bands:
    """Runs in groups: those that differ in seeds and names alone are one; all, where groups are many.

    `along`: the x of every record of a run.
    """
    runs = [(run, curves) for run, curves in runs if curves.step.size]
    settings = [run.settings for run, _ in runs]
    keys = [k for k in differing(settings) if k not in ASIDE and not k.endswith("seed")]
    groups: dict[tuple[Any, ...], list[RunCurves]] = {}
    for run, curves in runs:
        groups.setdefault(tuple(run.settings.get(k) for k in keys), []).append(curves)
    if len(groups) > MOST_GROUPS:
        keys, groups = [], {(): [curves for _, curves in runs]}
    found = [(_label(values), members) for values, members in groups.items()]

    def curve(curves: RunCurves, name: str) -> tuple[Floats, Floats]:
        x = curves.along(name, along(curves)) if curves.of(name).size else np.empty(0)
        # What is joined to a common x has to rise.
        rising = np.maximum.accumulate(np.where(np.isfinite(x), x, -np.inf))
        there = np.isfinite(rising)
        return rising[there], curves.of(name)[there]

    series = {
        name: tuple(_group(label, [curve(c, name) for c in members]) for label, members in found)
        for name in names
    }
    said = ", ".join(key.split(".")[-1] for key in keys)
    every = tuple(dict.fromkeys(name for _, curves in runs for name in curves.names))
    return Bands(said if len(keys) <= NAMED else f"{len(keys)} settings", series, every)


def _label(values: Sequence[Any]) -> str:
    """What a group has, as far as there is room to say it."""
    said = " ".join("–" if value is None else choice_text(value) for value in values[:NAMED])
    return f"{said} …" if len(values) > NAMED else said


def _group(label: str, curves: Sequence[tuple[Floats, Floats]]) -> Group:
    return group_of(label, *on_common_x([(x, y) for x, y in curves if y.size]))
