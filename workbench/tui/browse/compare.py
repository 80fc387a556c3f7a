"""Runs side by side: any of their series in one chart, over any quantity that x may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.record.schema import SERIES
from workbench.tui.browse.bands import Bands
from workbench.tui.browse.curves import RunCurves
from workbench.tui.run.trends import TRENDS
from workbench.tui.run.x_axis import WIDE_LOG
from workbench.tui.study.bands import Group, drawn, what_is_drawn
from workbench.tui.widgets.cells import clip
from workbench.tui.widgets.chart import ChartModel, Curve
from workbench.tui.widgets.scale import LEAST_DECADES, Floats, Kind
from workbench.tui.widgets.statusline import log_risk_text, number_text

LN10 = float(np.log(10.0))
_NOTHING: Floats = np.empty(0)
WIDE = 100.0
"""From this ratio of the largest to the smallest on, positive values are drawn logarithmically."""
_SHORT = {trend.name: trend.label for trend in TRENDS}
_TITLES = {"log_risk": "risk  log₁₀ L", "margin_normalized": "min normalized margin"}
_PLAIN_TITLES = {"log_risk": "risk  L"}


@dataclass(frozen=True, eq=False)
class Overlaid:
    """A run in the overlay: its label and colour there, and its curves."""

    label: str
    color: str
    curves: RunCurves


@dataclass(frozen=True)
class View:
    """How all charts are drawn; the cursor is an x."""

    log_x: bool = True
    log_y: bool = True
    cursor: float | None = None
    x: str = "step"


def short_labels(names: Sequence[str]) -> list[str]:
    """Names without the beginning they share, as far as a separator: `000`, `001`."""
    if len(names) < 2 or len(set(names)) < len(names):
        return list(names)
    low, high = min(names), max(names)
    same = next((i for i, c in enumerate(low) if c != high[i : i + 1]), len(low))
    shared = low[:same]
    cut = max(shared.rfind(mark) for mark in "-_. ") + 1
    return [name[cut:] if len(name) > cut else name for name in names]


# --- the x axis ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Along:
    """The x of a run's records, `of`, and what the axis is called; `power`: it is log10 already."""

    of: Callable[[RunCurves], Floats]
    name: str
    power: bool = False


def along(x: str, curves: Sequence[RunCurves]) -> Along:
    """A quantity as the x of some runs.

    The time is that of the flow; where one run's is beyond a float, log10 of it, of all.
    """
    if x == "step":
        return Along(lambda one: one.step, "step")
    if x != "time":
        return Along(lambda one: one.x.get(x, np.full(one.step.size, np.nan)), x)
    late = any(
        c.x["time"].size and not np.isfinite(c.x["time"][-1]) for c in curves if "time" in c.x
    )
    if late:
        return Along(_log_time, "time", power=True)
    return Along(lambda one: one.x.get("time", np.full(one.step.size, np.nan)), "time")


def _log_time(curves: RunCurves) -> Floats:
    """log10 of the time of every record."""
    if "time_log" in curves.x:
        return curves.x["time_log"] / LN10
    with np.errstate(divide="ignore"):
        return np.log10(curves.x.get("time", np.full(curves.step.size, np.nan)))


def _x_kind(axis: Along, view: View, x: Sequence[Floats]) -> Kind:
    if axis.power:
        return Kind.POWER
    if view.x == "ln(n/L)":
        # On the way to separation it is small and negative, which a logarithm has no room for.
        far = any(values.size and np.nanmax(values, initial=-np.inf) >= WIDE_LOG for values in x)
        return Kind.LOG if view.log_x and far else Kind.LINEAR
    return Kind.LOG if view.log_x else Kind.LINEAR


# --- a series -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """How a series is drawn: its title, its values as drawn, one of these in words, the kind of its axis."""

    title: str
    values: Callable[[Floats], Floats]
    text: Callable[[float], str]
    kind: Kind = Kind.LINEAR
    least: float = 0.0
    zero: bool = False


def shown(name: str, log_y: bool, found: Sequence[Floats]) -> Shown:
    """How a series of these values is drawn; natural logarithms as log10, or as what they are of."""
    if is_log(name):
        of = name.removeprefix("log_").removesuffix("_log").replace("log_", "")
        if log_y:
            title = _TITLES.get(name, f"log₁₀ {of}")
            return Shown(title, lambda v: v / LN10, log_risk_text, least=LEAST_DECADES)
        return Shown(_PLAIN_TITLES.get(name, of), _exponential, _number(".4g"))
    label = _SHORT.get(name, "")
    title = _TITLES.get(name) or (f"{name}  {label}" if label else name)
    if name in SERIES and SERIES[name].dims:
        title = f"{name}  median"
    if name.startswith("margin") or name.startswith("test_margin"):
        return Shown(title, lambda v: v, _number("+.4f"), zero=True)
    kind = Kind.LOG if log_y and _is_wide(found) else Kind.LINEAR
    return Shown(title, lambda v: v, _number(".4g"), kind)


def is_log(name: str) -> bool:
    """Whether a series is the natural logarithm of what it is called for."""
    return name.endswith(("log_risk", "_log"))


def _exponential(values: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(values))


def _is_wide(found: Sequence[Floats]) -> bool:
    """Whether values are positive and differ by orders of magnitude."""
    ends = []
    for values in found:
        kept = values[np.isfinite(values)]
        if kept.size and kept.min() <= 0:
            return False
        ends += [kept.min(), kept.max()] if kept.size else []
    return bool(ends) and max(ends) >= WIDE * min(ends)


def _number(pattern: str) -> Callable[[float], str]:
    return lambda value: number_text(value, pattern)


def overlay(
    name: str,
    runs: Sequence[Overlaid],
    view: View,
    readout: str = "",
    bands: Bands | None = None,
) -> ChartModel:
    """A series of several runs over each other; medians and bands of groups."""
    groups = bands.series.get(name, ()) if bands else ()
    raw = [run.curves.of(name) for run in runs] + [group.levels[2] for group in groups]
    how = shown(name, view.log_y, raw)
    told = [replace(g, levels=how.values(g.levels)) for g in groups]
    medians, tints = drawn(told, view.cursor, how.text)
    axis = along(view.x, [run.curves for run in runs])
    xs = [axis.of(run.curves) for run in runs]
    curves = [_curve(name, run, x, how, view) for run, x in zip(runs, xs, strict=True)]
    return ChartModel(
        title=_title(how.title, bands, told),
        curves=(*curves, *medians),
        bands=tints,
        x_kind=_x_kind(axis, view, xs),
        y_kind=how.kind,
        least=how.least,
        x_name=axis.name,
        zero=how.zero,
        cursor=view.cursor,
        readout=readout,
        empty=f"no {name} recorded",
    )


def _title(title: str, bands: Bands | None, groups: Sequence[Group]) -> str:
    if bands is None:
        return title
    by = f" by {bands.by}" if bands.by else ""
    return f"{title}{by}  {what_is_drawn(groups)}"


def _curve(name: str, run: Overlaid, x: Floats, how: Shown, view: View) -> Curve:
    """A run's curve; its legend holds the value under the cursor."""
    y = run.curves.of(name)
    if not y.size or not x.size:
        # Its x still widens the axis, which all charts share.
        return Curve(x, _NOTHING, run.color)
    x = run.curves.along(name, x)
    label = clip(run.label, 24)
    at = run.curves.nearest(x, view.cursor) if view.cursor is not None else None
    values: Any = how.values(y)
    if at is not None:
        label = f"{label} {how.text(float(values[at]))}"
    return Curve(x, values, run.color, label)
