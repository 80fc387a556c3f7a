"""What a network predicts over the plane of its inputs: bands of equal value, the zero line, the samples.

JT20 Fig. 1 as half blocks. Positive and negative predictions have a colour each, in steps of equal
value; where the prediction changes its sign is a bright line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets import numbers
from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.chart import draw_empty
from workbench.tui.widgets.marks import NEGATIVE, POSITIVE
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Floats

BANDS = 6
"""Steps of value on either side of zero."""
FULL = 0.95
"""This quantile of |Φ| has the last band."""
LIGHT = (0.10, 0.62)
"""Part of a side's colour in its first and last band, over the ground."""
ABOVE, BELOW = ("●", "sample_above"), ("○", "sample_below")
"""Glyph and colour of a sample with y > 0, and y < 0."""
_SHADES, _PLAIN = " ░░▒▒▓▓", " ..::++"


@dataclass(frozen=True, eq=False)
class PredictionModel:
    """Values (G2, G1) over the grid `first` (G1) × `second` (G2), both ascending; samples (n, 2), labels.

    `right` (n,): whether a sample is on its own side; None: not known.
    """

    title: str = ""
    first: Floats | None = None
    second: Floats | None = None
    values: Floats | None = None
    points: Floats | None = None
    labels: Floats | None = None
    right: NDArray[np.bool_] | None = None
    readout: str = ""
    empty: str = "no prediction yet"


@dataclass(frozen=True)
class View:
    """Pixels of the plane, a half cell each; `left`, `top`: of the first one; `step`: units a pixel."""

    column: int
    row: int
    columns: int
    pixels: int
    left: float
    top: float
    step: float

    def place(self, point: Floats) -> tuple[int, int] | None:
        """The cell (row, column) of a point, None outside."""
        across, down = (point[0] - self.left) / self.step, (self.top - point[1]) / self.step
        if not (0 <= across < self.columns and 0 <= down < self.pixels):
            return None
        return self.row + int(down) // 2, self.column + int(across)


def view_of(first: Floats, second: Floats, width: int, rows: int, top: int) -> View:
    """The largest picture of the grid with equal units on both axes, in the middle."""
    wide, high = float(first[-1] - first[0]), float(second[-1] - second[0])
    step = max(wide / width, high / (rows * 2))
    columns = max(1, min(width, round(wide / step)))
    pixels = max(2, min(rows * 2, 2 * round(high / step / 2)))
    step_x, step_y = wide / columns, high / pixels
    step = max(step_x, step_y)
    middle = (float(first[0] + first[-1]) / 2, float(second[0] + second[-1]) / 2)
    return View(
        column=(width - columns) // 2,
        row=top + (rows - pixels // 2) // 2,
        columns=columns,
        pixels=pixels,
        left=middle[0] - step * columns / 2,
        top=middle[1] + step * pixels / 2,
        step=step,
    )


def sampled(model: PredictionModel, view: View, parts: int = 1) -> Floats:
    """The values at the middle of every pixel, (pixels, columns), row 0 on top; linear between points.

    `parts` > 1: of every pixel's `parts` × `parts` parts.
    """
    assert model.first is not None
    assert model.second is not None
    assert model.values is not None
    step = view.step / parts
    x = np.asarray(view.left + (np.arange(view.columns * parts) + 0.5) * step, dtype=np.float64)
    y = np.asarray(view.top - (np.arange(view.pixels * parts) + 0.5) * step, dtype=np.float64)

    def around(at: Floats, grid: Floats) -> tuple[NDArray[np.intp], Floats]:
        below = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, grid.size - 2)
        part = np.clip((at - grid[below]) / (grid[below + 1] - grid[below]), 0.0, 1.0)
        return below, part

    column, s = around(x, model.first)
    row, t = around(y, model.second)
    v = model.values
    low = v[row][:, column] * (1 - s) + v[row][:, column + 1] * s
    high = v[row + 1][:, column] * (1 - s) + v[row + 1][:, column + 1] * s
    return np.asarray(low * (1 - t)[:, None] + high * t[:, None])


def band(values: Floats, full: float) -> NDArray[np.int64]:
    """Signed bands of values: ±1 … ±BANDS of width `full`/BANDS, 0 for exactly 0 and for NaN."""
    with np.errstate(invalid="ignore"):
        steps = np.ceil(np.abs(values) / full * BANDS) if full > 0 else np.abs(values) > 0
        found = np.sign(values) * np.clip(steps, 0, BANDS)
    return np.where(np.isfinite(found), found, 0).astype(np.int64)


def zero_line(values: Floats) -> NDArray[np.bool_]:
    """Places with a neighbour, to the right or below, on the other side of zero."""
    side = values > 0
    line = np.zeros(values.shape, dtype=np.bool_)
    line[:, :-1] |= side[:, :-1] != side[:, 1:]
    line[:-1] |= side[:-1] != side[1:]
    return line


def band_ink(palette: Palette, signed: int) -> int:
    """The ink of a band on a fine palette."""
    if signed == 0:
        return palette.ink("bg")
    part = LIGHT[0] + (LIGHT[1] - LIGHT[0]) * (abs(signed) - 1) / (BANDS - 1)
    front, back = palette.ink(POSITIVE if signed > 0 else NEGATIVE), palette.ink("bg")
    ink = 0
    for shift in (16, 8, 0):
        low = back >> shift & 255
        ink |= round(low + ((front >> shift & 255) - low) * part) << shift
    return ink


def draw_prediction(
    model: PredictionModel | None, width: int, height: int, palette: Palette
) -> Grid:
    """The picture of a prediction."""
    grid = Grid(width, height, palette)
    if model is None or model.values is None or model.first is None or model.second is None:
        draw_empty(
            grid, model.title if model else "", model.empty if model else "no prediction yet"
        )
        return grid
    top = 1 if height >= 5 else 0
    below = 1 if height >= 8 else 0
    rows = height - top - below
    if rows < 1 or width < 2:
        return grid
    view = view_of(model.first, model.second, width, rows, top)
    values = sampled(model, view)
    finite = np.abs(model.values[np.isfinite(model.values)])
    full = float(np.quantile(finite, FULL)) if finite.size else 0.0
    _draw_bands(grid, view, band(values, full))
    # Two dots across and four down a cell: two by two a half cell.
    grid.dots_over(view.row, view.column, zero_line(sampled(model, view, 2)), "bright")
    _draw_samples(grid, view, model)
    if top:
        title = clip(palette.say(model.title), width)
        grid.text(0, 0, title, "text")
        room = width - text_width(title) - 2
        if model.readout and text_width(palette.say(model.readout)) <= room:
            grid.right(0, width, model.readout, "bright")
    if below:
        _draw_scale(grid, height - 1, full)
    return grid


def _draw_bands(grid: Grid, view: View, signed: NDArray[np.int64]) -> None:
    palette = grid.palette
    if palette.fine:
        inks = np.array([band_ink(palette, k) for k in range(-BANDS, BANDS + 1)])
        grid.colors(view.row, view.column, inks[signed + BANDS])
        return
    ramp = _PLAIN if palette.ascii else _SHADES
    most = np.where(np.abs(signed[0::2]) >= np.abs(signed[1::2]), signed[0::2], signed[1::2])
    for row, line in enumerate(most):
        for column, value in enumerate(line.tolist()):
            ink = POSITIVE if value > 0 else NEGATIVE
            grid.text(view.row + row, view.column + column, ramp[abs(value)], ink)


def _draw_samples(grid: Grid, view: View, model: PredictionModel) -> None:
    """Every sample, those on the wrong side last and in red."""
    if model.points is None or model.labels is None:
        return
    right = np.ones(len(model.points), dtype=np.bool_) if model.right is None else model.right
    for i in np.argsort(~right, kind="stable").tolist():
        place = view.place(model.points[i])
        if place is not None:
            glyph, ink = ABOVE if model.labels[i] > 0 else BELOW
            grid.text(*place, glyph, ink if right[i] else "min", bold=True)


def _draw_scale(grid: Grid, row: int, full: float) -> None:
    """What the colours and marks mean, in one line."""
    column = grid.text(row, 0, *BELOW)
    column = grid.text(row, column, " y<0 ", "dim")
    column = grid.text(row, column, *ABOVE)
    column = grid.text(row, column, " y>0  ", "dim")
    ends = (f"−{numbers.short(full)} ", f" {numbers.short(full)}")
    if column + sum(map(text_width, ends)) + 2 * BANDS > grid.width:
        return
    column = grid.text(row, column, ends[0], "dim")
    for k in (*range(-BANDS, 0), *range(1, BANDS + 1)):
        fine = grid.palette.fine
        ink = f"#{band_ink(grid.palette, k):06x}" if fine else (POSITIVE if k > 0 else NEGATIVE)
        glyph = "█" if fine else (_PLAIN if grid.palette.ascii else _SHADES)[abs(k)]
        column = grid.text(row, column, glyph, ink)
    grid.text(row, column, ends[1], "dim")


class Prediction(Painted[PredictionModel]):
    """The prediction over the plane."""

    def draw(self, model: PredictionModel | None, width: int, height: int) -> Grid:
        return draw_prediction(model, width, height, self.palette)
