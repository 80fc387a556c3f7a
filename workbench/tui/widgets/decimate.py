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

_FAR = 1e7
"""Dot rows farther out than this are all the same."""


@dataclass(frozen=True, eq=False)
class Columns:
    """What a curve does in the columns it touches, in ascending order.

    `index` may begin below 0 and end above the last column: the neighbours just outside the view,
    kept so that lines run to the edge. `joined[k]` is false where a value that cannot be drawn lies
    between column k − 1 and k.
    """

    index: Ints
    values: Floats
    """(4, k): the smallest, largest, first and last value."""
    joined: NDArray[np.bool_]

    @property
    def low(self) -> Floats:
        """The smallest values."""
        return self.values[0]

    @property
    def high(self) -> Floats:
        """The largest values."""
        return self.values[1]

    @property
    def last(self) -> Floats:
        """The last values."""
        return self.values[3]

    @property
    def size(self) -> int:
        """How many columns are touched."""
        return int(self.index.size)


_NONE = Columns(np.empty(0, dtype=np.int64), np.empty((4, 0)), np.empty(0, dtype=np.bool_))


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
    return Columns(index, np.stack([low, high, y[starts], y[ends - 1]]), joined)


def _neighbour(x: Floats, at: int, shown: Axis, width: int) -> tuple[list[int], list[int]]:
    """The sample just outside the view and its column, as lists of one, or empty ones."""
    if not 0 <= at < x.size:
        return [], []
    place = float(shown.fraction(x[at : at + 1])[0]) * width
    if not np.isfinite(place):
        return [], []
    column = min(-1.0, place) if place < 0.5 * width else max(float(width), place)
    return [at], [int(np.clip(np.floor(column), -1e6, 1e6))]


def spans(columns: Columns, rows: Floats, width: int, join: bool = True) -> tuple[Ints, Ints, Ints]:
    """The dot rows each dot column covers: (column, top, bottom), rows counted downwards.

    `rows` (4, k) are the columns' values turned into (fractional) dot rows. With `join`, columns
    without values between two others are filled along the straight line, and neighbours meet half
    way, so that the curve is one piece.
    """
    index, joined = columns.index, columns.joined
    if index.size == 0:
        none = np.empty(0, dtype=np.int64)
        return none, none, none
    if join and index[-1] - index[0] >= index.size:
        column = np.arange(max(0, int(index[0])), min(width - 1, int(index[-1])) + 1)
        right = np.minimum(np.searchsorted(index, column, side="left"), index.size - 1)
        missing = (index[right] != column) & joined[right] & (right > 0)
        column, right = column[missing], right[missing]
        left = right - 1
        t = (column - index[left]) / (index[right] - index[left])
        between = rows[3, left] * (1 - t) + rows[2, right] * t
        order = np.argsort(np.concatenate([index, column]), kind="stable")
        index = np.concatenate([index, column])[order]
        rows = np.concatenate([rows, np.broadcast_to(between, (4, column.size))], axis=1)[:, order]
        joined = np.concatenate([joined, np.ones(column.size, dtype=np.bool_)])[order]
    dots = np.rint(np.clip(rows, -_FAR, _FAR)).astype(np.int64)
    tops, lows = np.minimum(dots[0], dots[1]), np.maximum(dots[0], dots[1])
    if join and index.size > 1:
        after, before = dots[2, 1:], dots[3, :-1]
        meets = joined[1:] & (index[1:] - index[:-1] == 1)
        down, up = meets & (after > before), meets & (after < before)
        middle = (after + before) // 2
        np.maximum(lows[:-1], middle, out=lows[:-1], where=down)
        np.minimum(tops[1:], middle + 1, out=tops[1:], where=down)
        middle = (after + before + 1) // 2
        np.minimum(tops[:-1], middle, out=tops[:-1], where=up)
        np.maximum(lows[1:], middle - 1, out=lows[1:], where=up)
    inside = (index >= 0) & (index < width)
    return index[inside], tops[inside], lows[inside]
