"""Directions in the plane: neurons as rays from the centre, data and KKT points on the circle.

Braille dots are as wide as they are high (2×4 in a cell about twice as high as wide), so circles
are round. A few neurons are drawn as rays, many as their tips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.tui.widgets.cells import Dots, Grid, clip, text_width
from workbench.tui.widgets.chart import draw_empty
from workbench.tui.widgets.marks import KKT_GLYPHS, NEGATIVE, POSITIVE, DataDirection, KktPoint
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Floats

RAYS = 200
"""Up to this many neurons are drawn as rays."""


@dataclass(frozen=True, eq=False)
class CompassModel:
    """Everything a compass shows.

    `directions` (H, 2) need not be normalized; `norms` (H,) give the lengths, relative to the
    largest or on a log scale over `decades`; `signs` (H,) of the output weights. `arcs` are flat
    sets as (from, to) angles, counter-clockwise. `trails` are paths (T, 2) with the unit disc as
    frame. `note`: what the lengths are, if no norms. `empty` is why nothing can be drawn, where
    `directions` is None.
    """

    title: str = "directions"
    directions: Floats | None = None
    norms: Floats | None = None
    signs: Floats | None = None
    data: tuple[DataDirection, ...] = ()
    kkt: tuple[KktPoint, ...] = ()
    arcs: tuple[tuple[float, float], ...] = ()
    trails: tuple[Floats, ...] = ()
    trail_color: str = "dim"
    scale: Literal["relative", "log"] = "relative"
    decades: float = 6.0
    note: str = ""
    empty: str = "no directions yet"


def lengths(norms: Floats, scale: Literal["relative", "log"], decades: float) -> Floats:
    """Ray lengths in [0, 1]: norm / max, or 1 + log10(norm / max) / decades, cut at 0."""
    finite = norms[np.isfinite(norms)]
    most = float(finite.max()) if finite.size else 0.0
    if most <= 0:
        return np.zeros(norms.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(np.isfinite(norms), norms, 0.0) / most
        if scale == "log":
            part = 1 + np.log10(np.maximum(part, 0)) / max(decades, 1e-9)
    return np.clip(np.nan_to_num(part, nan=0.0, neginf=0.0), 0.0, 1.0)


@dataclass(frozen=True)
class Disc:
    """The unit disc on a dot raster: centre and radius in dots."""

    x: float
    y: float
    radius: float
    columns: int
    rows: int

    @classmethod
    def within(cls, columns: int, rows: int) -> Disc:
        """The largest disc in a block of cells that leaves room for marks around it."""
        width, height = columns * 2, rows * 4
        radius = max(1.0, min((width - 1) / 2 - 5, (height - 1) / 2 - 6))
        return cls((width - 1) / 2, (height - 1) / 2, radius, columns, rows)

    def dots(self, x: Floats, y: Floats) -> Dots:
        """A raster with the given points of the disc's plane, x right, y up."""
        raster = np.zeros((self.rows * 4, self.columns * 2), dtype=np.bool_)
        with np.errstate(over="ignore", invalid="ignore"):
            column = np.rint(self.x + x * self.radius).ravel()
            row = np.rint(self.y - y * self.radius).ravel()
        inside = (column >= 0) & (column < raster.shape[1]) & (row >= 0) & (row < raster.shape[0])
        raster[row[inside].astype(np.intp), column[inside].astype(np.intp)] = True
        return raster

    def cell(self, angle: float, radius: float, extra: float = 0.0) -> tuple[int, int]:
        """(row, column) of the cell at an angle and a radius, `extra` dots farther out."""
        out = radius * self.radius + extra
        return (
            int((self.y - math.sin(angle) * out + 0.5) // 4),
            int((self.x + math.cos(angle) * out + 0.5) // 2),
        )


def draw_compass(model: CompassModel | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture of a compass."""
    grid = Grid(width, height, palette)
    if model is None or model.directions is None:
        draw_empty(grid, model.title if model else "", model.empty if model else "no record yet")
        return grid
    top = 1 if model.title and height >= 5 else 0
    legend = 1 if height - top >= 6 else 0
    rows = height - top - legend
    if top:
        _draw_title(grid, model)
    if rows < 1 or width < 2:
        return grid
    disc = Disc.within(width, rows)
    _draw_ground(grid, top, disc)
    for trail in model.trails:
        if trail.ndim == 2 and trail.shape[0] and trail.shape[1] == 2:
            grid.dots(top, 0, disc.dots(trail[:, 0], trail[:, 1]), model.trail_color, mark=".")
    _draw_arcs(grid, top, disc, model)
    _draw_neurons(grid, top, disc, model)
    for point in model.data:
        if math.isfinite(point.angle):
            row, column = disc.cell(point.angle, 1.0)
            _put(grid, top, rows, row, column, point.glyph, point.color)
    for kkt in model.kkt:
        if math.isfinite(kkt.angle):
            row, column = disc.cell(kkt.angle, 1.0, 4.0)
            _put(grid, top, rows, row, column, kkt.glyph, kkt.color)
    if legend:
        _draw_legend(grid, height - 1, model)
    return grid


def _put(grid: Grid, top: int, rows: int, row: int, column: int, glyph: str, ink: str) -> None:
    """A mark, kept within the drawing's rows and columns."""
    grid.text(top + min(max(0, row), rows - 1), min(max(0, column), grid.width - 1), glyph, ink)


def _draw_title(grid: Grid, model: CompassModel) -> None:
    note = "length ∝ norm" if model.scale == "relative" else f"log norm, {model.decades:g} decades"
    note = grid.palette.say(model.note or note)
    title = clip(grid.palette.say(model.title), grid.width)
    grid.text(0, 0, title, "text")
    if text_width(title) + 3 + text_width(note) <= grid.width:
        grid.right(0, grid.width, note, "dim")


def _draw_ground(grid: Grid, top: int, disc: Disc) -> None:
    """The unit circle and dotted axes."""
    angle = np.linspace(0, 2 * np.pi, max(8, int(disc.radius * 5)))
    grid.dots(top, 0, disc.dots(np.cos(angle), np.sin(angle)), "faint", mark=".")
    steps = np.arange(-1.0, 1.0001, 6 / disc.radius) if disc.radius >= 12 else np.zeros(0)
    none = np.zeros_like(steps)
    cross = disc.dots(steps, none) | disc.dots(none, steps)
    grid.dots(top, 0, cross, "faint", mark=".")


def _draw_arcs(grid: Grid, top: int, disc: Disc, model: CompassModel) -> None:
    """Flat sets as thick arcs just outside the circle."""
    for start, stop in model.arcs:
        if not (math.isfinite(start) and math.isfinite(stop)):
            continue
        span = 2 * np.pi if abs(stop - start) >= 2 * np.pi else (stop - start) % (2 * np.pi)
        angle = start + np.linspace(0, span, max(2, int(disc.radius * span * 2)))
        for radius in (1 + 2 / disc.radius, 1 + 3 / disc.radius):
            arc = disc.dots(np.cos(angle) * radius, np.sin(angle) * radius)
            grid.dots(top, 0, arc, "purple", mark="=")


def _draw_neurons(grid: Grid, top: int, disc: Disc, model: CompassModel) -> None:
    """Rays, or tips for many neurons, in the colour of their sign."""
    directions = model.directions
    if directions is None or directions.ndim != 2 or directions.shape[1] != 2:
        return
    count = directions.shape[0]
    norms = model.norms if model.norms is not None else np.ones(count)
    signs = model.signs if model.signs is not None else np.ones(count)
    count = min(count, norms.size, signs.size)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        angle = np.arctan2(directions[:count, 1], directions[:count, 0])
    good = np.isfinite(angle) & np.isfinite(norms[:count])
    angle, sign = angle[good], signs[:count][good]
    length = lengths(norms[:count][good], model.scale, model.decades)
    for chosen, ink in ((sign < 0, NEGATIVE), (sign >= 0, POSITIVE)):
        if not chosen.any():
            continue
        x = np.cos(angle[chosen]) * length[chosen]
        y = np.sin(angle[chosen]) * length[chosen]
        if count <= RAYS:
            along = np.linspace(0, 1, max(2, int(disc.radius * 1.5)))[:, None]
            grid.dots(top, 0, disc.dots(x * along, y * along), ink)
        else:
            grid.dots(top, 0, disc.dots(x, y), ink)


def _draw_legend(grid: Grid, row: int, model: CompassModel) -> None:
    """One line saying what the marks mean; only of what is there, the last ones dropped first."""
    signs = model.signs if model.signs is not None else np.ones(1)
    items: list[tuple[str, str, str]] = []
    if (signs > 0).any() and (signs < 0).any():
        items += [("━", POSITIVE, "a>0"), ("━", NEGATIVE, "a<0")]
    labels = {None if point.label is None else point.label > 0 for point in model.data}
    items += [("●", "text", "x")] if None in labels else []
    items += [("●", POSITIVE, "y>0")] if True in labels else []
    items += [("○", NEGATIVE, "y<0")] if False in labels else []
    kinds = {point.kind for point in model.kkt} | ({"flat"} if model.arcs else set())
    items += [(glyph, "purple", kind) for kind, glyph in KKT_GLYPHS.items() if kind in kinds]
    if any(point.value < 0 for point in model.kkt):
        items.append(("◆", "pink", "N<0"))
    say = grid.palette.say
    full = sum(4 + text_width(say(text)) for _, _, text in items) - 2
    inner, gap = (1, 2) if full <= grid.width else (0, 1)
    column = 0
    for glyph, ink, text in items:
        if column + 1 + inner + text_width(say(text)) > grid.width:
            break
        after = grid.text(row, column, glyph, ink)
        column = grid.text(row, after + inner, text, "dim") + gap


class Compass(Painted[CompassModel]):
    """The directions of a network with two inputs."""

    def draw(self, model: CompassModel | None, width: int, height: int) -> Grid:
        return draw_compass(model, width, height, self.palette)
