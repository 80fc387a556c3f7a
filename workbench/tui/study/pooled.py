"""Members pooled over a pair of keys: the median of a number in each cell, or the word most of them have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Array
from workbench.tui.study.look import Dimension, StudyLook
from workbench.tui.study.outcomes import Measured
from workbench.tui.widgets.heatmap import HeatModel
from workbench.tui.widgets.numbers import thousands


@dataclass(frozen=True)
class Axes:
    """Which dimensions go to the right and up; `up` None: there is only one."""

    across: int
    up: int | None

    def turned(self, count: int) -> Axes:
        """The next dimension to the right; the other one goes up where that was there."""
        across = (self.across + 1) % count
        return Axes(across, self.across if across == self.up else self.up)

    def lifted(self, count: int) -> Axes:
        """The next dimension up."""
        if self.up is None:
            return self
        up = (self.up + 1) % count
        return Axes(self.up if up == self.across else self.across, up)


@dataclass(frozen=True, eq=False)
class Pooled:
    """Cells of choices: `cell` (M, 2) says the (row, column) of every member, −1 where it has none.

    `merge`: how many choices fall into a cell, (up, across).
    """

    look: StudyLook
    axes: Axes
    cell: Array
    shape: tuple[int, int]
    merge: tuple[int, int]

    def members(self, cell: tuple[int, int]) -> Array:
        """The members in a cell."""
        return np.flatnonzero((self.cell == cell).all(axis=1))

    def labels(self, side: int) -> tuple[str, ...]:
        """What stands beside the rows (0) or below the columns (1)."""
        dimension, merge = self._dimension(side), self.merge[side]
        if dimension is None:
            return ("",)
        return tuple(dimension.labels[k] for k in range(0, len(dimension.labels), merge))

    def name(self, side: int) -> str:
        """The key of the rows (0) or columns (1)."""
        dimension = self._dimension(side)
        if dimension is None:
            return ""
        merged = f" ({self.merge[side]} a tile)" if self.merge[side] > 1 else ""
        also = f" +{len(dimension.keys) - 1}" if len(dimension.keys) > 1 else ""
        return f"{dimension.name}{also}{merged}"

    def _dimension(self, side: int) -> Dimension | None:
        place = (self.axes.up, self.axes.across)[side]
        return None if place is None else self.look.dimensions[place]

    def where(self, cell: tuple[int, int]) -> str:
        """A cell's choices in words."""
        parts = []
        for side in (0, 1):
            dimension = self._dimension(side)
            if dimension is not None:
                first = cell[side] * self.merge[side]
                last = min(first + self.merge[side], len(dimension.labels)) - 1
                to = f"…{dimension.labels[last]}" if last > first else ""
                parts.append(f"{dimension.name} {dimension.labels[first]}{to}")
        return "  ".join(parts)


def first_axes(look: StudyLook) -> Axes:
    """The two dimensions to begin with: those of most choices that are no seeds; seeds go to the right."""
    order = sorted(
        range(len(look.dimensions)),
        key=lambda k: (is_seed(look.dimensions[k]), -len(look.dimensions[k].labels)),
    )
    if len(order) == 1:
        return Axes(order[0], None)
    across, up = order[0], order[1]
    if is_seed(look.dimensions[up]):
        across, up = up, across
    return Axes(across, up)


def is_seed(dimension: Dimension) -> bool:
    """Whether members along it differ by chance alone."""
    return all(key.split(".")[-1] == "seed" for key in dimension.keys)


def pooled(look: StudyLook, axes: Axes, room: tuple[int, int]) -> Pooled:
    """Members by cell; neighbouring choices share one where there are more than (rows, columns) fit."""
    sides, merges, shape = [], [], []
    for dimension, most in zip((axes.up, axes.across), room, strict=True):
        if dimension is None:
            sides.append(np.zeros(look.count, dtype=np.int64))
            merges.append(1)
            shape.append(1)
            continue
        choices = len(look.dimensions[dimension].labels)
        merge = -(-choices // max(1, most))
        place = look.place[:, dimension]
        sides.append(np.where(place >= 0, place // merge, -1))
        merges.append(merge)
        shape.append(-(-choices // merge))
    cell = np.stack(sides, axis=1)
    return Pooled(look, axes, cell, (shape[0], shape[1]), (merges[0], merges[1]))


def heat(
    cells: Pooled, of: Measured, cursor: tuple[int, int] | None, focused: bool = False
) -> HeatModel:
    """The picture of an outcome over two keys."""
    rows, columns = cells.shape
    inside = (cells.cell >= 0).all(axis=1)
    flat = cells.cell[:, 0] * columns + cells.cell[:, 1]
    known = inside & np.isfinite(of.values)
    values = np.full(rows * columns, np.nan)
    order = np.argsort(flat[known], kind="stable")
    sorted_flat, sorted_values = flat[known][order], of.values[known][order]
    starts = np.flatnonzero(np.diff(sorted_flat, prepend=-1))
    for start, part in zip(starts, np.split(sorted_values, starts[1:]), strict=True):
        values[sorted_flat[start]] = _most(part) if of.words else np.median(part)
    pool = int(np.bincount(flat[inside], minlength=1).max()) if inside.any() else 0
    how = "most frequent" if of.words else "median"
    model = HeatModel(
        title=of.title,
        note=f"{how} of {thousands(pool)}" if pool > 1 else "",
        values=values.reshape(rows, columns),
        x_name=cells.name(1),
        y_name=cells.name(0),
        x_labels=cells.labels(1),
        y_labels=cells.labels(0),
        words=of.words,
        log=of.log,
        text=of.text,
        cursor=cursor,
        focused=focused,
    )
    return model if cursor is None else replace(model, readout=readout(cells, of, cursor))


def _most(values: Array) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[np.argmax(counts)])


def readout(cells: Pooled, of: Measured, cell: tuple[int, int]) -> str:
    """What the members of a cell have, in a line."""
    members = cells.members(cell)
    where, values = cells.where(cell), of.values[members]
    known = values[np.isfinite(values)]
    if not members.size:
        return f"{where}   no member"
    if not known.size:
        states = ", ".join(dict.fromkeys(cells.look.status[members].tolist()))
        return f"{where}   nothing yet: {states}"
    if members.size == 1:
        return f"{where}   member {members[0]}   {of.said(float(known[0]))}"
    count = f"N {thousands(known.size)}"
    if of.words:
        found, counts = np.unique(known, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:3]
        parts = [f"{of.said(float(found[k]))} {counts[k] / known.size:.0%}" for k in order]
        return f"{where}   {'  '.join(parts)}   {count}"
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    return f"{where}   {of.text(middle)}  25–75 % {of.text(low)} – {of.text(high)}   {count}"
