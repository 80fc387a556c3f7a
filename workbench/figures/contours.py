"""Contours of the prediction over the plane of the inputs, beside the tangent kernel's (JT20 Fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

from workbench.arrays import Array, Float
from workbench.errors import BadInput
from workbench.figures.network import network_for
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, INK, RED
from workbench.measures.plane import PlaneGrid, PlaneSurface, is_planar, plane_grid
from workbench.models.start import first_theta
from workbench.record.schema import STEP
from workbench.theory.margin.tangent_classifier import tangent_classifier
from workbench.theory.numerics.separability import Inseparable

if TYPE_CHECKING:
    from workbench.run.network import ConfiguredNetwork

SIDE = 121
LEVELS = 10
MOST_NUMBERS = 40_000_000
"""Most numbers in the samples' tangents, for the kernel's classifier to be drawn beside."""


@dataclass(frozen=True, eq=False)
class Panel:
    """A surface (G2, G1) and what is written over it."""

    title: str
    surface: Float[np.ndarray, "G2 G1"]


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """The kernel's hard-margin classifier at the start, the network at the first stored state without an
    error, and at the last. Each surface over its largest size; the zero line is drawn in ink."""
    network = network_for(series, "contours")
    x, y = network.dataset.x, network.dataset.y
    why = (
        ""
        if is_planar(x)
        else f"inputs have {x[0].size} numbers, and two or two and a constant are needed"
    )
    why = why or (f"its network has {network.outputs} outputs" if network.outputs > 1 else "")
    if why:
        raise BadInput(f"figure 'contours' cannot be drawn: of run '{series.name}', {why}.")
    grid = plane_grid(x, SIDE, SIDE)
    surface = PlaneSurface(network.model, grid, x)
    panels = [*_kernel(series, network, surface), *_states(series, surface)]
    width = INCHES[options.size][0]
    rows = len(panels) if options.size == "column" else 1
    columns = len(panels) // rows
    figure.set_size_inches(
        width, rows * (0.95 * width / columns if rows == 1 else 0.8 * width) + 0.35
    )
    # Panels of equal sides: the layout must close the gaps that their shape leaves.
    figure.set_layout_engine("compressed")
    shapes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    drawn = None
    for axes, panel in zip(shapes, panels, strict=True):
        drawn = _contours(axes, panel, grid)
        _samples(axes, x, y)
    for k, axes in enumerate(shapes):
        if k // columns == rows - 1:
            axes.set_xlabel("$x_1$")
        if k % columns == 0:
            axes.set_ylabel("$x_2$")
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=list(shapes), ticks=[-1, 0, 1], fraction=0.04, pad=0.02)
        bar.set_label("prediction / its largest")


def _states(series: RunSeries, surface: PlaneSurface) -> list[Panel]:
    """The first stored state without an error, where the run has one before the last, and the last."""
    run = series.run
    steps = run.steps
    last = int(steps[-1])
    shown = [(last, f"step {last:,}")]
    if series.has("accuracy"):
        right = np.flatnonzero(np.asarray(series.scalar("accuracy")) == 1.0)
        if right.size:
            first = int(np.asarray(series.scalar(STEP))[right[0]])
            later = steps[steps >= first]
            if later.size and later[0] < last:
                step = int(later[0])
                shown.insert(0, (step, f"no errors, step {step:,}"))
    return [Panel(title, surface.at(run.theta(step))) for step, title in shown]


def _kernel(series: RunSeries, network: ConfiguredNetwork, surface: PlaneSurface) -> list[Panel]:
    """The tangent kernel's classifier at the start; none where labels are not ±1, samples mix, the features
    do not separate, or there are too many numbers."""
    data, structure = network.dataset, network.structure
    if network.mixes_samples or data.labels != "binary" or data.n * structure.size > MOST_NUMBERS:
        return []
    linear = structure.description.linearised
    start = series.run.start.theta
    if start is None:
        start = first_theta(network.config.init, structure)
    try:
        solved = tangent_classifier(surface.tangents(start, data.x), data.y)
    except ValueError:
        return []
    if isinstance(solved, Inseparable):
        return []
    title = "largest margin" if linear else "tangent kernel at the start"
    return [Panel(title, surface.tangent(start, solved[0]))]


def _contours(axes: Axes, panel: Panel, grid: PlaneGrid) -> ContourSet:
    """Filled levels of the surface over its largest size, and the line where the prediction is 0."""
    top = float(np.abs(panel.surface).max()) or 1.0
    values: Array = panel.surface / top
    levels = np.linspace(-1.0, 1.0, 2 * LEVELS + 1)
    drawn = axes.contourf(
        grid.first,
        grid.second,
        values,
        levels=levels,
        cmap="RdBu_r",
        norm=TwoSlopeNorm(0.0, -1.0, 1.0),
    )
    axes.contour(grid.first, grid.second, values, levels=levels[::2], colors=INK, linewidths=0.25)
    if values.min() < 0.0 < values.max():
        axes.contour(grid.first, grid.second, values, levels=[0.0], colors=INK, linewidths=1.2)
    axes.set_title(panel.title, fontsize=9)
    axes.set_aspect("equal")
    return drawn


def _samples(axes: Axes, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> None:
    """Positive samples as +, negative as −, as JT20 draws them."""
    for keep, mark, color in ((y > 0, "+", RED), (y <= 0, "_", BLUE)):
        axes.scatter(
            x[keep, 0], x[keep, 1], marker=mark, s=14, linewidths=0.9, color=color, zorder=3
        )
