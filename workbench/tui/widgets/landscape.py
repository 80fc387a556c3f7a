"""A function on the circle: the neural correlation function N(u) over the angle of u."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.chart import ChartModel, Curve, Marker, draw_chart
from workbench.tui.widgets.frame import PlotArea
from workbench.tui.widgets.marks import POSITIVE, DataDirection, KktPoint
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.pointed import Pointed
from workbench.tui.widgets.scale import Floats, Kind

FEW_NEURONS = 60
"""Up to this many neurons are marked one by one on the curve."""


@dataclass(frozen=True, eq=False)
class LandscapeModel:
    """N over the angle: `angle` (M,) ascending in [−π, π], `value` (M,); neurons by their angle."""

    title: str = "N(u), u on the circle"
    angle: Floats | None = None
    value: Floats | None = None
    kkt: tuple[KktPoint, ...] = ()
    data: tuple[DataDirection, ...] = ()
    neurons: Floats | None = None
    cursor: float | None = None
    readout: str = ""
    gutter: int = 7
    empty: str = "no landscape yet"


def wrapped(angle: Floats) -> Floats:
    """Angles brought into [−π, π)."""
    with np.errstate(invalid="ignore"):
        return (angle + np.pi) % (2 * np.pi) - np.pi


def landscape_chart(model: LandscapeModel) -> ChartModel:
    """The same picture as a line chart's model; data ticks are drawn separately."""
    angle, value = model.angle, model.value
    if angle is None or value is None or min(angle.size, value.size) == 0:
        return ChartModel(title=model.title, empty=model.empty)
    curves = [Curve(angle, value, "green")]
    seen: list[Marker] = []
    good = np.isfinite(value[: angle.size]) & np.isfinite(angle[: value.size])
    if model.neurons is not None and model.neurons.size and good.any():
        at = wrapped(model.neurons[np.isfinite(model.neurons)])
        at.sort()
        known_x, known_y = angle[: good.size][good], value[: good.size][good]
        on_curve = np.interp(at, known_x, known_y)
        if at.size <= FEW_NEURONS:
            # Dots would drown in those of the curve.
            seen = [
                Marker(float(a), float(n), "•", POSITIVE) for a, n in zip(at, on_curve, strict=True)
            ]
        else:
            curves.append(Curve(at, on_curve, POSITIVE, style="dots"))
    points = [k for k in model.kkt if math.isfinite(k.angle) and math.isfinite(k.value)]
    places = wrapped(np.array([k.angle for k in points])) if points else np.zeros(0)
    return ChartModel(
        title=model.title,
        curves=tuple(curves),
        markers=(
            *seen,
            *(
                Marker(float(at), k.value, k.glyph, k.color)
                for at, k in zip(places, points, strict=True)
            ),
        ),
        x_kind=Kind.ANGLE,
        x_range=(-math.pi, math.pi),
        zero=True,
        cursor=model.cursor,
        readout=model.readout,
        gutter=model.gutter,
        empty=model.empty,
    )


def draw_landscape(
    model: LandscapeModel | None, width: int, height: int, palette: Palette
) -> tuple[Grid, PlotArea | None]:
    """The picture of a landscape, and where its parts are."""
    chart = landscape_chart(model) if model is not None else None
    grid, plot = draw_chart(chart, width, height, palette)
    if model is None or plot is None or plot.rows < 3:
        return grid, plot
    row = plot.top + plot.rows - 1
    for point in model.data:
        if math.isfinite(point.angle):
            column = plot.column(float(wrapped(np.array([point.angle]))[0]))
            if column is not None and grid.free(row, column):
                grid.text(row, column, "╹" if point.glyph == "●" else "╵", point.color)
    return grid, plot


class Landscape(Pointed[LandscapeModel]):
    """N over the circle, with its KKT points, the data and where the neurons are."""

    def draw(self, model: LandscapeModel | None, width: int, height: int) -> Grid:
        grid, self.plot = draw_landscape(model, width, height, self.palette)
        return grid
