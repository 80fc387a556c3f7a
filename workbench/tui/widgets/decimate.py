"""Every point of a curve, in as many numbers as there are dot columns.

A column keeps the smallest and largest value that falls into it, and its first and last one for
joining it to its neighbours. The buckets' edges are taken in data units, so a log axis costs no
logarithm a point. For ascending x the buckets are found by bisection, and the cost is one
pass of `reduceat` over the visible values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.scale import Axis, Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Columns:
    """What a curve does in the columns it touches, in ascending order.

    `index` may begin below 0 and end above the last column: the neighbours just outside the view,
    kept so that lines run to the edge. `joined[k]` is false where a value that cannot be drawn lies
    between column k − 1 and k.
    """

    index: Ints
    low: Floats
    high: Floats
    first: Floats
    last: Floats
    joined: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """How many columns are touched."""
        return int(self.index.size)


_NONE = Columns(*(np.empty(0, dtype=d) for d in (np.int64, *[np.float64] * 4, np.bool_)))


def bucket(x: Floats, edges: Floats) -> Ints:
    """The bucket of each x: −1 left of all, `len(edges) − 1` right of all; the last one is closed."""
    found = np.searchsorted(edges, x, side="right") - 1
    return np.where(x == edges[-1], len(edges) - 2, found)


def decimate(x: Floats, y: Floats, shown: Axis, width: int) -> Columns:
    """What a curve does in each of `width` equal columns of an axis.

    Pairs with an x or y that is not finite are left out (the caller counts and marks them). x that
    does not ascend is sorted stably first.
    """
    size = min(x.size, y.size)
    x, y = x[:size], y[:size]
    if size == 0 or width < 1:
        return _NONE
    bad_before: Ints | None = None
    good = np.isfinite(y)
    if not good.all() or not (np.isfinite(x[0]) and np.isfinite(x[-1])):
        good &= np.isfinite(x)
        bad_before = np.cumsum(~good, dtype=np.int64)[good]
        x, y = x[good], y[good]
    if x.size > 1 and not (x[1:] >= x[:-1]).all():
        if bad_before is None:
            good = np.isfinite(x)
            x, y = x[good], y[good]
        order = np.argsort(x, kind="stable")
        x, y, bad_before = x[order], y[order], None
    if x.size == 0:
        return _NONE
    return _ascending(x, y, shown, width, bad_before)


def _ascending(x: Floats, y: Floats, shown: Axis, width: int, bad_before: Ints | None) -> Columns:
    """The columns of finite values over ascending x."""
    edges = shown.edges(width)
    bounds = np.searchsorted(x, edges[:-1], side="left")
    stop = int(np.searchsorted(x, edges[-1], side="right"))
    ends = np.append(bounds[1:], stop)
    filled = np.flatnonzero(ends > bounds)
    starts, ends = bounds[filled], ends[filled]
    if filled.size:
        seen = y[:stop]
        low = np.minimum.reduceat(seen, starts)
        high = np.maximum.reduceat(seen, starts)
    else:
        low = high = np.empty(0)
    index = filled.astype(np.int64)
    before, left = _neighbour(x, int(bounds[0]) - 1, shown, width)
    after, right = _neighbour(x, stop, shown, width)
    if left or right:
        index = np.concatenate([left, index, right]).astype(np.int64)
        low = np.concatenate([y[before], low, y[after]])
        high = np.concatenate([y[before], high, y[after]])
        starts = np.concatenate([before, starts, after]).astype(np.int64)
        ends = np.concatenate([before, ends - 1, after]).astype(np.int64) + 1
    joined = np.ones(index.size, dtype=np.bool_)
    if bad_before is not None and index.size > 1:
        joined[1:] = bad_before[starts[1:]] == bad_before[ends[:-1] - 1]
    return Columns(index, low, high, y[starts], y[ends - 1], joined)


def _neighbour(x: Floats, at: int, shown: Axis, width: int) -> tuple[list[int], list[int]]:
    """The sample just outside the view and its column, as lists of one, or empty ones."""
    if not 0 <= at < x.size:
        return [], []
    place = float(shown.fraction(x[at : at + 1])[0]) * width
    if not np.isfinite(place):
        return [], []
    column = min(-1.0, place) if place < 0.5 * width else max(float(width), place)
    return [at], [int(np.clip(np.floor(column), -1e6, 1e6))]


def spans(
    columns: Columns, rows: Columns, width: int, join: bool = True
) -> tuple[Ints, Ints, Ints]:
    """The dot rows each dot column covers: (column, top, bottom), rows counted downwards.

    `rows` is `columns` with its values turned into (fractional) dot rows. With `join`, columns
    without values between two others are filled along the straight line, and neighbours meet half
    way, so that the curve is one piece.
    """
    index = columns.index
    if index.size == 0:
        none = np.empty(0, dtype=np.int64)
        return none, none, none
    top, low = np.minimum(rows.low, rows.high), np.maximum(rows.low, rows.high)
    first, last, joined = rows.first, rows.last, columns.joined
    if join and index.size > 1 and (np.diff(index) > 1).any():
        column = np.arange(max(0, int(index[0])), min(width - 1, int(index[-1])) + 1)
        right = np.clip(np.searchsorted(index, column, side="left"), 0, index.size - 1)
        missing = (index[right] != column) & joined[right] & (right > 0)
        column, right = column[missing], right[missing]
        left = right - 1
        t = (column - index[left]) / (index[right] - index[left])
        value = last[left] * (1 - t) + first[right] * t
        order = np.argsort(np.concatenate([index, column]), kind="stable")
        index = np.concatenate([index, column])[order]
        top, low, first, last = (np.concatenate([a, value])[order] for a in (top, low, first, last))
        joined = np.concatenate([joined, np.ones(column.size, dtype=np.bool_)])[order]
    limit = 1e7
    tops, lows, firsts, lasts = (
        np.rint(np.clip(a, -limit, limit)).astype(np.int64) for a in (top, low, first, last)
    )
    if join and index.size > 1:
        meets = joined[1:] & (np.diff(index) == 1)
        down, up = meets & (firsts[1:] > lasts[:-1]), meets & (firsts[1:] < lasts[:-1])
        middle = (firsts[1:] + lasts[:-1]) // 2
        lows[:-1] = np.where(down, np.maximum(lows[:-1], middle), lows[:-1])
        tops[1:] = np.where(down, np.minimum(tops[1:], middle + 1), tops[1:])
        middle = -((-firsts[1:] - lasts[:-1]) // 2)
        tops[:-1] = np.where(up, np.minimum(tops[:-1], middle), tops[:-1])
        lows[1:] = np.where(up, np.maximum(lows[1:], middle - 1), lows[1:])
    inside = (index >= 0) & (index < width)
    return index[inside], tops[inside], lows[inside]
