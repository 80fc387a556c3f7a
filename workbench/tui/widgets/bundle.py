"""Many curves of one colour over the same x, drawn together: neurons' angles, norms.

One pass over a matrix instead of a pass a curve. Measured at 120×40, 20 neurons with 4,096 rows: 3 ms
where curves one by one take 17.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.cells import Dots
from workbench.tui.widgets.frame import PlotArea
from workbench.tui.widgets.scale import Floats, Kind


@dataclass(frozen=True, eq=False)
class Bundle:
    """x (K,), not falling and finite, and values (K, H): a curve a column.

    `gaps`: NaN stands where there is nothing to draw, and is not counted as a value without a place.
    """

    x: Floats
    values: Floats
    color: str = "purple"
    gaps: bool = False


def bundle_dots(bundle: Bundle, plot: PlotArea) -> Dots:
    """The dots of all curves: in each dot column what they do between its edges, joined to the next.

    On an angle axis a step of more than π is a turn over ±π and is not joined.
    """
    width, height = plot.width * 2, plot.rows * 4
    count = np.zeros((height + 1, width), dtype=np.int32)
    columns, values = _visible(bundle, plot, width)
    if not columns.size:
        return count[:height] > 0
    starts = np.flatnonzero(np.diff(columns, prepend=columns[0] - 1))
    ends = np.append(starts[1:], columns.size)
    index = columns[starts]
    wraps = plot.y.kind is Kind.ANGLE
    # What has no place is marked by the caller; here it is as if it were not recorded.
    values = np.where(np.isfinite(values), values, np.nan)
    low = np.fmin.reduceat(values, starts, axis=0)
    high = np.fmax.reduceat(values, starts, axis=0)
    first, last = values[starts], values[ends - 1]
    turned = high - low > np.pi if wraps else np.zeros(low.shape, dtype=np.bool_)
    # Of a column with a turn in it only the last value is drawn: from there to the next, not from the one
    # before, which would be a line across the chart.
    low, high = np.where(turned, last, low), np.where(turned, last, high)
    _join(index, low, high, np.where(turned, np.nan, first), last, wraps)
    index, low, high = _filled(index, low, high, first, last, width, wraps)
    inside = (index >= 0) & (index < width)
    index, low, high = index[inside], low[inside], high[inside]
    scale = height - 1
    with np.errstate(invalid="ignore"):
        top = np.rint((1 - plot.y.fraction(high)) * scale)
        bottom = np.rint((1 - plot.y.fraction(low)) * scale)
        shown = (bottom >= 0) & (top <= scale)
    column = np.broadcast_to(index[:, None], top.shape)[shown]
    np.add.at(count, (np.clip(top[shown], 0, scale).astype(int), column), 1)
    np.add.at(count, (np.clip(bottom[shown], 0, scale).astype(int) + 1, column), -1)
    return np.cumsum(count[:height], axis=0) > 0


def _visible(bundle: Bundle, plot: PlotArea, width: int) -> tuple[NDArray[np.int64], Floats]:
    """The dot column of every row in view, with a row on either side of it."""
    x = bundle.x
    low = int(np.searchsorted(x, plot.x.low, side="left"))
    high = int(np.searchsorted(x, plot.x.high, side="right"))
    begin = max(0, low - 1, int(plot.x.below(x).sum()))
    rows = slice(begin, min(x.size, high + 1))
    place = np.floor(plot.x.fraction(x[rows]) * width)
    place = np.where((x[rows] == plot.x.high), width - 1, place)
    return np.clip(place, -1e6, 1e6).astype(np.int64), bundle.values[rows]


def _join(
    index: NDArray[np.int64],
    low: Floats,
    high: Floats,
    first: Floats,
    last: Floats,
    wraps: bool,
) -> None:
    """Let neighbouring columns meet half way, in place; a first value that is NaN meets nothing."""
    if index.size < 2:
        return
    middle = (first[1:] + last[:-1]) / 2.0
    meets = (np.diff(index) == 1)[:, None] & ~np.isnan(middle)
    if wraps:
        meets = meets & (np.abs(first[1:] - last[:-1]) <= np.pi)
    np.minimum(low[:-1], middle, out=low[:-1], where=meets)
    np.maximum(high[:-1], middle, out=high[:-1], where=meets)
    np.minimum(low[1:], middle, out=low[1:], where=meets)
    np.maximum(high[1:], middle, out=high[1:], where=meets)


def _filled(
    index: NDArray[np.int64],
    low: Floats,
    high: Floats,
    first: Floats,
    last: Floats,
    width: int,
    wraps: bool,
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Columns without rows between two that have some, along the straight line."""
    empty = np.setdiff1d(np.arange(max(0, int(index[0])), min(width, int(index[-1]))), index)
    if not empty.size:
        return index, low, high
    right = np.searchsorted(index, empty)
    left = right - 1
    t = ((empty - index[left]) / (index[right] - index[left]))[:, None]
    between = last[left] * (1 - t) + first[right] * t
    if wraps:
        between = np.where(np.abs(first[right] - last[left]) <= np.pi, between, np.nan)
    return (
        np.concatenate([index, empty]),
        np.concatenate([low, between]),
        np.concatenate([high, between]),
    )
