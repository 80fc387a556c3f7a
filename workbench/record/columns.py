"""What a table of runs may show and be sorted by: fields of a run's line, keys of its configuration, and the
last values of its scalar series, each by the name that a filter knows it by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from workbench.errors import unknown
from workbench.record.filter import CONFIGURATION, SCALARS, series_of
from workbench.record.summary import RunSummary

Value = Callable[[RunSummary], Any]
"""What a run has there: a number, a truth or a text; None where it is not known."""

FIELDS: dict[str, Value] = {
    "run": lambda run: run.name or run.run_id,
    "id": lambda run: run.run_id,
    "state": lambda run: run.status.value,
    "preset": lambda run: run.preset,
    "loss": lambda run: run.loss,
    "n": lambda run: run.n,
    "H": lambda run: run.H,
    "step": lambda run: run.step,
    "steps": lambda run: run.steps,
    "records": lambda run: run.records,
    "risk": lambda run: run.log10_risk,
    "margin": lambda run: run.margin_normalized,
    "created": lambda run: run.created,
    "updated": lambda run: run.modified or None,
    "tags": lambda run: " ".join(run.tags),
    "note": lambda run: run.note,
}
"""Fields of every run; `risk` is its log10, `updated` in seconds since 1970."""


def key_of(name: str) -> str:
    """The one name that a column is known by: `cfg.train.lr` is `train.lr`."""
    return name.removeprefix(CONFIGURATION)


def value_of(name: str) -> Value:
    """What a column shows of a run.

    Raises:
        BadInput: no field, no key with a dot in it, and no series.
    """
    key = key_of(name)
    if key in FIELDS:
        return FIELDS[key]
    series = series_of(key)
    if series is not None:
        return lambda run: run.last.get(series)
    if "." in key.strip("."):
        return lambda run: run.settings.get(key)
    raise unknown("column", name, (*FIELDS, *SCALARS), "the table of runs")


def require_columns(names: Iterable[str], keys: Collection[str]) -> None:
    """Refuse names that none of the runs has anything for; `keys`: those of their configurations.

    Raises:
        BadInput: the first such name, and the nearest known one.
    """
    for name in names:
        value_of(name)
        key = key_of(name)
        if key not in FIELDS and series_of(key) is None and keys and key not in keys:
            raise unknown("column", name, (*FIELDS, *keys), "the table of runs")


def series_in(names: Iterable[str]) -> tuple[str, ...]:
    """The series among columns, whose last values have to be read."""
    found = (series_of(key_of(name)) for name in names if key_of(name) not in FIELDS)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def order_of(name: str) -> Callable[[RunSummary], Any]:
    """What a column is sorted by: numbers before texts, None for what is not known; raises BadInput."""
    value = value_of(name)

    def order(run: RunSummary) -> Any:
        found = value(run)
        if found is None or found != found or found == "":
            return None
        return (1, found.casefold()) if isinstance(found, str) else (0, float(found))

    return order


def in_order(
    runs: Iterable[RunSummary], order: Callable[[RunSummary], Any], reverse: bool
) -> list[RunSummary]:
    """Runs in an order, ties newest first; what is not known comes last either way."""
    newest = sorted(runs, key=lambda run: (run.made, run.run_id), reverse=True)
    placed = [(order(run), run) for run in newest]
    known = [(place, run) for place, run in placed if place is not None]
    known.sort(key=lambda pair: pair[0], reverse=reverse)
    return [run for _, run in known] + [run for place, run in placed if place is None]
