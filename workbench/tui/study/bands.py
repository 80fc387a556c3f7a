"""Many curves as one: the median, and a band between quantiles, of each group of members or runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array
from workbench.tui.widgets.chart import Band, Curve
from workbench.tui.widgets.numbers import thousands
from workbench.tui.widgets.palette import SERIES
from workbench.tui.widgets.scale import Floats

OUTER, INNER = (0.1, 0.9), (0.25, 0.75)
MOST_GROUPS = len(SERIES)


@dataclass(frozen=True, eq=False)
class Group:
    """One band: its label, `x` (T), quantiles `levels` (5, T) at 10, 25, 50, 75, 90 %, and how many curves
    it is of at each x, `count` (T)."""

    label: str
    x: Floats
    levels: Floats
    count: Array

    @property
    def size(self) -> int:
        """The most curves at one x."""
        return int(self.count.max()) if self.count.size else 0

    def at(self, x: float) -> int | None:
        """The place nearest to an x within the curves; None beyond their ends."""
        some = np.flatnonzero(self.count)
        if not some.size or not self.x[some[0]] <= x <= self.x[some[-1]]:
            return None
        return int(some[np.argmin(np.abs(self.x[some] - x))])


def quantiles(values: Floats) -> tuple[Floats, Array]:
    """Quantiles of (M, T) over the first axis, (5, T), and how many numbers each is of, (T).

    ±∞ counts as a number; NaN does not. Linear between order statistics.
    """
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(values)).sum(axis=0)
    at = np.array([OUTER[0], INNER[0], 0.5, INNER[1], OUTER[1]])[:, None] * np.maximum(count - 1, 0)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    part = at - low
    column = np.arange(values.shape[1])
    with np.errstate(invalid="ignore"):
        below, above = ordered[low, column], ordered[high, column]
        # Between equal values, infinite ones too, lies that value.
        found = np.where(below == above, below, below * (1 - part) + above * part)
    return np.where(count > 0, found, np.nan), count


def group_of(label: str, x: Floats, values: Floats) -> Group:
    """A band of curves (M, T) over common x (T)."""
    if not values.shape[0]:
        return Group(label, x, np.full((5, x.size), np.nan), np.zeros(x.size, dtype=np.int64))
    levels, count = quantiles(values)
    some = count > 0
    return Group(label, x[some], levels[:, some], count[some])


def drawn(
    groups: Sequence[Group], cursor: float | None, text: Callable[[float], str]
) -> tuple[tuple[Curve, ...], tuple[Band, ...]]:
    """Medians as curves, and bands: 10–90 % and 25–75 % of a single group, 25–75 % of several.

    A label says the median at the cursor, where there is one, and of how many it is, where they differ.
    """
    curves, bands = [], []
    sizes = {group.size for group in groups}
    for place, group in enumerate(groups[:MOST_GROUPS]):
        color = "bright" if len(groups) == 1 else SERIES[place]
        at = group.at(cursor) if cursor is not None else None
        count = group.size if at is None else int(group.count[at])
        parts = [group.label]
        parts += [text(float(group.levels[2, at]))] if at is not None else []
        parts += [f"N={thousands(count)}"] if len(sizes) > 1 else []
        label = " ".join(part for part in parts if part)
        curves.append(Curve(group.x, group.levels[2], color, label))
        if len(groups) == 1:
            bands.append(Band(group.x, group.levels[0], group.levels[4], "outer"))
        tint = "inner" if len(groups) == 1 else color
        bands.append(Band(group.x, group.levels[1], group.levels[3], tint))
    return tuple(curves), tuple(bands)


def what_is_drawn(groups: Sequence[Group]) -> str:
    """The bands in words, for a title; of how many they are, if all are of equally many."""
    sizes = {group.size for group in groups}
    count = f" N={thousands(max(sizes))}" if len(sizes) == 1 and max(sizes) else ""
    return f"{'10–90, 25–75 %' if len(groups) == 1 else '25–75 %'}{count}"


def on_common_x(curves: Sequence[tuple[Floats, Floats]], most: int = 600) -> tuple[Floats, Floats]:
    """Curves (x, y) with x of their own at common x: (T), and (M, T), linear between their own points,
    NaN beyond their ends."""
    parts = [_thinned(x, most) for x, _ in curves]
    every = _thinned(np.unique(np.concatenate(parts)), most) if parts else np.empty(0)
    values = np.full((len(curves), every.size), np.nan)
    for row, (x, y) in enumerate(curves):
        size = min(x.size, y.size)
        if size:
            values[row] = np.interp(every, x[:size], y[:size], left=np.nan, right=np.nan)
    return every, values


def _thinned(x: Floats, most: int) -> Floats:
    """So many of ascending x as suit a linear and a logarithmic axis alike."""
    if x.size <= most:
        return x
    even = np.linspace(0, x.size - 1, most // 2)
    logs = np.geomspace(1, x.size, most // 2) - 1
    return x[np.unique(np.concatenate([even, logs]).round().astype(np.int64))]
