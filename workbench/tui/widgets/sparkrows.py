"""Rows of `label ▁▂▅█ value`: the trend of a few numbers in one line each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import STILL, Floats

_BLOCKS, _PLAIN = "▁▂▃▄▅▆▇", "_.-=+*#"
LEAST_DECADES = 0.01
"""Bars of a logarithm (to base 10) are drawn over at least this."""


@dataclass(frozen=True, eq=False)
class SparkRow:
    """One row: the series, and its present value as text; `least` as of `heights`."""

    label: str
    values: Floats
    value: str = ""
    color: str = "cyan"
    least: float = 0.0


@dataclass(frozen=True, eq=False)
class SparkModel:
    """The rows, and a line above them."""

    rows: tuple[SparkRow, ...] = ()
    title: str = ""


def heights(values: Floats, width: int, steps: int, least: float = 0.0) -> NDArray[np.int64]:
    """A bar for each of `width` cells: 0 … steps − 1 of the range, −1 no number, −2 no record.

    Many values are averaged by cell, few are spread out. ±∞ reach the top or the bottom. The range is
    at least `least`, and what stands still (`scale.STILL`) is as high as half of it.
    """
    if values.size == 0 or width < 1:
        return np.full(max(0, width), -2, dtype=np.int64)
    count = min(width, values.size)
    starts = np.arange(count) * values.size // count
    sizes = np.diff(np.append(starts, values.size))
    finite = np.isfinite(values)
    known = np.add.reduceat(finite.astype(np.int64), starts)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        filled = np.where(finite, values, 0.0) / np.repeat(np.maximum(known, 1), sizes)
        means = np.where(known > 0, np.add.reduceat(filled, starts), np.nan)
        span = means[np.isfinite(means)]
        low, high = (float(span.min()), float(span.max())) if span.size else (0.0, 0.0)
        size = high / 2 - low / 2
        still = size <= STILL * max(abs(low), abs(high)) / 2
        # Half of what is above the middle of the range: of the largest floats a difference overflows.
        above = (means / 2 - low / 4 - high / 4) / max(size, least / 2, 1e-300)
        part = np.where(np.isfinite(means), 0.5 if still else 0.5 + above, np.nan)
    ends = values[starts + sizes - 1]
    part = np.where((known == 0) & np.isposinf(ends), 1.0, part)
    part = np.where((known == 0) & np.isneginf(ends), 0.0, part)
    bars = np.where(np.isnan(part), -1, np.rint(np.nan_to_num(part) * (steps - 1))).astype(np.int64)
    return bars[np.arange(width) * count // width]


def spark(values: Floats, width: int, palette: Palette, least: float = 0.0) -> str:
    """A sparkline as text, for tables too; `·` where there is no number; `least` as of `heights`."""
    glyphs = _PLAIN if palette.ascii else _BLOCKS
    none = palette.say("·")
    marks = {-1: none, -2: " "}
    return "".join(
        marks.get(h, glyphs[max(0, h)]) for h in heights(values, width, len(glyphs), least).tolist()
    )


def draw_sparks(model: SparkModel | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture of the rows; those below the last line are left out."""
    grid = Grid(width, height, palette)
    if model is None:
        return grid
    first = 1 if model.title and height > 1 else 0
    if first:
        grid.text(0, 0, clip(palette.say(model.title), width), "text")
    label = max((text_width(palette.say(row.label)) for row in model.rows), default=0)
    value = max((text_width(palette.say(row.value)) for row in model.rows), default=0)
    label = min(label, max(0, width - value - 1))
    bar = width - label - value - 3
    for line, row in enumerate(model.rows[: max(0, height - first)], first):
        grid.text(line, 0, clip(palette.say(row.label), label), "text")
        if bar >= 4:
            grid.text(line, label + 1, spark(row.values, bar, palette, row.least), row.color)
        if value <= width:
            grid.right(line, width, row.value, "bright")
    return grid


class SparkRows(Painted[SparkModel]):
    """Trends in a few lines."""

    def draw(self, model: SparkModel | None, width: int, height: int) -> Grid:
        return draw_sparks(model, width, height, self.palette)
