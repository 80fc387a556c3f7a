"""The predictor W_L ⋯ W_1 of linear networks beside the hard-margin one, ū (JT19 Figs. 1a and 2a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.differences import labels_of
from workbench.figures.network import network_for
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.series import RunSeries, put_x_axis
from workbench.figures.style import (
    BLUE,
    GREY,
    INK,
    RED,
    legend_above,
    positive,
    run_colours,
    say_if_empty,
)
from workbench.theory.margin.svm import hard_margin_svm
from workbench.theory.numerics.separability import Inseparable


@dataclass(frozen=True, eq=False)
class Way:
    """One run: places `x` (K), its predictor `w` (K, d) there, and the samples x (n, d), labels (n)."""

    x: Array
    w: Array
    samples: Array
    labels: Array


def draw_runs(runs: Sequence[RunSeries], figure: Figure, options: FigureOptions) -> None:
    """The angle between the predictor and ū; above it, for inputs in the plane, the samples and the lines
    where predictors are 0: dotted at the start, solid at the end, ū's broad behind them.

    Raises:
        BadInput: a network is not linear, the samples are not the same or do not separate.
    """
    ways = [_way(series, options) for series in runs]
    first = ways[0]
    if not all(_same_samples(first, way) for way in ways):
        raise BadInput(
            "figure 'predictor' cannot be drawn: the runs have different samples, and so another ū each."
        )
    best = _hard_margin(runs[0], first)
    planar = best.size == 2
    width, height = INCHES[options.size]
    figure.set_size_inches(width, height * (2.2 if planar else 1.15))
    grid = figure.add_gridspec(1 + planar, 1, height_ratios=[1.35, 1.0] if planar else [1.0])
    below = figure.add_subplot(grid[-1, 0])
    colours = run_colours(len(runs)) if len(runs) > 1 else [BLUE]
    labels = labels_of(runs) if len(runs) > 1 else ["network"]
    for way, colour in zip(ways, colours, strict=True):
        below.plot(way.x, positive(_degrees(way.w, best)), color=colour)
    below.set_yscale("log")
    below.set_ylabel(r"angle to $\bar u$ (degrees)")
    put_x_axis(below, options, [way.x for way in ways])
    say_if_empty(below)
    handles = [
        Line2D([], [], color=colour, label=label)
        for colour, label in zip(colours, labels, strict=True)
    ]
    if not planar:
        legend_above(below, handles if len(runs) > 1 else [])
        return
    above = figure.add_subplot(grid[0, 0])
    _plane(above, first, best, [(way.w, colour) for way, colour in zip(ways, colours, strict=True)])
    best_line = Line2D([], [], color=GREY, linewidth=4.0, alpha=0.5, label=r"hard margin $\bar u$")
    start = Line2D([], [], color=INK, linestyle=":", label="at the start")
    legend_above(above, [*handles, best_line, start])


def _way(series: RunSeries, options: FigureOptions) -> Way:
    network = network_for(series, "predictor")
    chain = network.structure.linear_chain
    if chain is None or network.dataset.labels != "binary":
        raise BadInput(
            f"figure 'predictor' cannot be drawn: run '{series.name}' is no fully connected linear network "
            "with one output on labels ±1."
        )
    series.require("predictor", "theta")
    along = series.along(series.far(options), thin=True)
    theta = along.read("theta").astype(np.float64)
    w = np.ones((len(theta), 1, 1))
    for matrix in reversed(chain):
        w = w @ network.structure.matrix(theta, matrix)
        # Only the direction is drawn, and a product of many large matrices is none.
        size = np.abs(w).max(axis=(1, 2), keepdims=True)
        w = np.divide(w, size, out=np.full_like(w, np.nan), where=np.isfinite(size) & (size > 0))
    data = network.dataset
    return Way(along.x, w[:, 0], data.x.reshape(data.n, -1), data.y)


def _same_samples(one: Way, other: Way) -> bool:
    return np.array_equal(one.samples, other.samples) and np.array_equal(one.labels, other.labels)


def _hard_margin(series: RunSeries, way: Way) -> Array:
    """ū (d)."""
    try:
        found = hard_margin_svm(way.labels[:, None] * way.samples)
    except ValueError as error:
        raise BadInput(f"figure 'predictor' cannot be drawn: {error}.") from error
    if isinstance(found, Inseparable):
        raise BadInput(
            f"figure 'predictor' cannot be drawn: of run '{series.name}', {found.sentence}."
        )
    return found.direction


def _degrees(w: Array, best: Array) -> Array:
    """(K) angles, exact near 0."""
    along = w @ best
    across = np.linalg.norm(w - along[:, None] * best, axis=1)
    return np.degrees(np.arctan2(across, along))


def _plane(axes: Axes, data: Way, best: Array, predictors: Sequence[tuple[Array, str]]) -> None:
    """Samples, and lines through 0 across a predictor."""
    plus = data.labels > 0
    for part, mark, colour in ((plus, "+", INK), (~plus, "_", RED)):
        first, second = data.samples[part].T
        axes.scatter(first, second, marker=mark, s=16, linewidths=0.9, color=colour, zorder=3)
    axes.axline((0.0, 0.0), (-best[1], best[0]), color=GREY, linewidth=4.0, alpha=0.5, zorder=0)
    for place, (w, colour) in enumerate(predictors):
        known = w[np.isfinite(w).all(axis=1)]
        # Lines of several runs that end in one direction show all their colours, dashed in turn.
        dashes = (6.0 * place, (6.0, 6.0 * (len(predictors) - 1))) if len(predictors) > 1 else "-"
        for row, style, width in ((0, ":", 1.0), (-1, dashes, 1.4)) if len(known) else ():
            end = (-known[row, 1], known[row, 0])
            axes.axline((0.0, 0.0), end, color=colour, linestyle=style, linewidth=width, zorder=2)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("$x_1$")
    axes.set_ylabel("$x_2$")
