"""One layer of a network in one state: its singular values as bars, and the data behind it as points.

Bars are logarithmic, from the largest value of all layers down to a decade that they share, so that layers
can be compared. Points are the samples' two leading coordinates (JT19 Fig. 2), with equal units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from workbench.tui.widgets import numbers
from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.layer_field import ratio_text
from workbench.tui.widgets.marks import NEGATIVE, POSITIVE
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import SERIES, Palette
from workbench.tui.widgets.scale import Floats

EIGHTHS = " ▁▂▃▄▅▆▇█"
ROUNDING = 1e-13
"""Singular values below this part of the largest are rounding: bars do not reach down to them."""
FEW = 40
"""Up to this many samples are discs, more are dots."""


@dataclass(frozen=True, eq=False)
class LayerPanelModel:
    """`values` (r) falling, None with the reason in `empty`; `points` (n, 2) behind the layer, None where
    the data cannot be mapped through it; `range` (low, high) in log10 of the bars.

    `flatness`: second singular value of the mapped data over the first; `units`: d_k of what `points` show.
    """

    name: str
    shape: str
    values: Floats | None
    points: Floats | None
    labels: Floats
    flatness: float = float("nan")
    units: int = 0
    empty: str = ""
    range: tuple[float, float] = (-1.0, 0.0)


def shared_range(panels: tuple[LayerPanelModel, ...]) -> tuple[float, float]:
    """The decades from the largest singular value of the layers down to the least, the data's left out."""
    found = [p.values for p in panels if p.values is not None and p.name != "data"]
    return decades(np.concatenate(found) if found else np.zeros(0))


def decades(values: Floats) -> tuple[float, float]:
    """Whole powers of ten around singular values, those at rounding left out."""
    top = float(values.max()) if values.size else 0.0
    if not top > 0:
        return -1.0, 0.0
    some = values[values > top * ROUNDING]
    high = math.ceil(float(np.log10(top)) + 1e-9)
    return float(min(math.floor(float(np.log10(some.min()))), high - 1)), float(high)


def draw_layer_panel(
    model: LayerPanelModel | None, width: int, height: int, palette: Palette
) -> Grid:
    """The picture of a layer: two lines of words, bars, a line of words, points."""
    grid = Grid(width, height, palette)
    if model is None or width < 6 or height < 4:
        return grid
    column = grid.text(0, 0, clip(palette.say(model.name), width), "bright", bold=True)
    if column + 2 + text_width(palette.say(model.shape)) <= width:
        grid.text(0, column + 2, model.shape, "dim")
    bars = max(2, (height - 4) * 2 // 5) if height >= 12 else 0
    if model.points is None:
        bars = max(0, height - 7)
    if model.values is not None and model.values.size:
        _draw_words(grid, model)
        _draw_bars(grid, 2, bars, model)
    else:
        grid.text(1, 0, clip(palette.say(model.empty), width), "dim")
    _draw_points(grid, 2 + bars + int(bars > 0), model)
    return grid


def _draw_words(grid: Grid, model: LayerPanelModel) -> None:
    """How near the layer is to rank one (σ₁ over the Frobenius norm), and σ₁."""
    assert model.values is not None
    top = float(model.values[0])
    norm = float(np.sqrt(np.sum((model.values / top) ** 2))) if top > 0 else float("nan")
    column = grid.text(1, 0, f"rank-1 {ratio_text(1.0 / norm)}", "text")
    size = grid.palette.say(f"σ₁ {top:.4g}")
    if column + 2 + text_width(size) <= grid.width:
        grid.right(1, grid.width, size, "bar_text")


def _draw_bars(grid: Grid, top: int, rows: int, model: LayerPanelModel) -> None:
    """Singular values from the largest, each as wide as fits; the range at the right."""
    values = model.values
    if values is None or rows < 1:
        return
    low, high = model.range if model.name != "data" else decades(values)
    ends = [numbers.power(end, plain=grid.palette.ascii) for end in (high, low)]
    room = grid.width - max(text_width(end) for end in ends) - 1
    if room < 4:
        return
    wide = max(1, min(4, room // values.size))
    shown = min(values.size, room // wide)
    with np.errstate(divide="ignore"):
        part = np.clip((np.log10(values[:shown]) - low) / (high - low), 0.0, 1.0)
    eighths = np.ceil(part * rows * 8).astype(int)
    gap = 1 if wide > 2 else 0
    for j in range(shown):
        ink = "orange" if j == 0 else "cyan"
        for row in range(rows):
            level = int(np.clip(eighths[j] - 8 * (rows - 1 - row), 0, 8))
            if level:
                glyph = "#" if grid.palette.ascii else EIGHTHS[level]
                grid.text(top + row, j * wide, glyph * (wide - gap), ink)
    grid.right(top, grid.width, ends[0], "dim")
    grid.right(top + rows - 1, grid.width, ends[1], "dim")
    if shown < values.size:
        grid.right(top + rows // 2, grid.width, "…", "dim")
    grid.text(top + rows, 0, ("-" if grid.palette.ascii else "─") * room, "faint")


def _draw_points(grid: Grid, top: int, model: LayerPanelModel) -> None:
    """The samples with equal units on both axes, through 0; the reach and the flatness above them."""
    rows = grid.height - top - 1
    points = model.points
    if rows < 2:
        return
    if points is None or not np.isfinite(points).all():
        if model.values is not None:
            for row, sentence in enumerate(wrap(grid.palette.say(model.empty), grid.width)):
                grid.text(top + row, 0, sentence, "dim")
        return
    reach = float(np.abs(points).max()) or 1.0
    where = "inputs" if model.name == "data" else f"behind {model.name}"
    words = [where, f"±{reach:.3g}"]
    if np.isfinite(model.flatness) and model.units > 1:
        words.append(f"flat {model.flatness:.1g}")
    text = words[0]
    for word in words[1:]:
        longer = f"{text}  {word}"
        text = longer if text_width(grid.palette.say(longer)) <= grid.width else text
    grid.text(top, 0, text, "dim")
    top += 1
    high, wide = rows * 4, grid.width * 2
    step = max(2.0 * reach / (high - 2), 2.0 * reach / (wide - 2))
    # The middle is a dot: rounding noise about 0 stays in one row.
    across = (wide // 2 + np.rint(points[:, 0] / step)).astype(int).clip(0, wide - 1)
    down = (high // 2 - np.rint(points[:, 1] / step)).astype(int).clip(0, high - 1)
    middle_row, middle = top + high // 2 // 4, wide // 2 // 2
    for labels, ink, glyph in _classes(model.labels):
        if len(points) <= FEW:
            for i in np.flatnonzero(labels):
                grid.text(top + down[i] // 4, across[i] // 2, glyph, ink)
            continue
        dots = np.zeros((high, wide), dtype=np.bool_)
        dots[down[labels], across[labels]] = True
        grid.dots(top, 0, dots, ink)
    for column in range(0, grid.width, 2):
        grid.line_glyph(middle_row, column, "·", "faint")
    for row in range(top, top + rows):
        grid.line_glyph(row, middle, "·", "faint")


def _classes(labels: Floats) -> list[tuple[np.ndarray, str, str]]:
    """Samples, colour and mark of every class: signs for two, else the colours in order."""
    found = np.unique(labels)
    if len(found) <= 2:
        return [(labels > 0, POSITIVE, "●"), (labels <= 0, NEGATIVE, "○")]
    return [(labels == c, SERIES[k % len(SERIES)], "●") for k, c in enumerate(found)]


class LayerPanel(Painted[LayerPanelModel]):
    """A layer's singular values and the data behind it."""

    def draw(self, model: LayerPanelModel | None, width: int, height: int) -> Grid:
        return draw_layer_panel(model, width, height, self.palette)
