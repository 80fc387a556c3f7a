"""What runs are called beside one another: by what differs between their configurations, else by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from workbench.config.flat import flatten
from workbench.config.train import USED_BY
from workbench.errors import WorkbenchError, clean_text
from workbench.figures.series import RunSeries

UNTOLD = ("name", "description", "record", "measures", "checkpoint", "pause", "device")
"""Tables and keys that leave the curve as it is."""
LAST = ("train.steps", "train.until")
"""Told only where nothing else differs: how long a run was is seen."""
MOST_KEYS = 3
LONGEST = 40


def labels_of(runs: Sequence[RunSeries]) -> list[str]:
    """A label a run, all of them different: "lr 0.001", "balanced, scale 1e-08"; names where more than
    `MOST_KEYS` keys differ, none that can be said does, or a configuration cannot be read."""
    try:
        tables = [
            flatten(series.run.config.model_dump(mode="json", by_alias=True)) for series in runs
        ]
    except WorkbenchError:
        return _names(runs)
    differing = [
        key for key in dict.fromkeys(k for t in tables for k in t) if _differs(tables, key)
    ]
    keys = [key for key in differing if not key.startswith(LAST)] or differing
    if not 0 < len(keys) <= MOST_KEYS:
        return _names(runs)
    labels = [", ".join(_said(table, keys)) for table in tables]
    told = all(0 < len(label) <= LONGEST for label in labels)
    return labels if told and len(set(labels)) == len(labels) else _names(runs)


def _differs(tables: Sequence[dict[str, Any]], key: str) -> bool:
    """Whether a setting that changes what is drawn is not the same in all of them."""
    if key.split(".")[0] in UNTOLD:
        return False
    values = [table.get(key) for table in tables]
    return any(one != other for one, other in pairwise(values))


def _said(table: dict[str, Any], keys: Sequence[str]) -> list[str]:
    """What of one run's settings is told; a kind and a rule speak for themselves."""
    ends = [key.split(".")[-1] for key in keys]
    said = []
    for key, end in zip(keys, ends, strict=True):
        value = table.get(key)
        if value is None or not _used(table, key):
            continue
        text = f"{value:g}" if isinstance(value, float) else clean_text(str(value), LONGEST + 1)
        name = end if ends.count(end) == 1 else key
        said.append(
            text if end in ("kind", "rule") and isinstance(value, str) else f"{name} {text}"
        )
    return said


def _used(table: dict[str, Any], key: str) -> bool:
    """Whether a run's rule looks at this setting."""
    part, _, end = key.partition(".")
    return part != "train" or table.get("train.rule") in USED_BY.get(
        end, (table.get("train.rule"),)
    )


def _names(runs: Sequence[RunSeries]) -> list[str]:
    """The runs' names, with their ids where two are called the same."""
    names = [clean_text(series.run.name, LONGEST) for series in runs]
    if len(set(names)) == len(names):
        return names
    return [series.name for series in runs]
