"""The data as they are mapped through more and more layers, early and at the end (JT19 Fig. 2b–d)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.data.dataset import told_apart
from workbench.errors import BadInput
from workbench.figures.network import network_for
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, GREY, INK, RED
from workbench.measures.leading import leading
from workbench.measures.mapped import Mapped, mapped
from workbench.models.structure import Structure

MOST_LAYERS = 5
"""Layers shown besides the data; of more, the first and the last ones spread evenly."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """A row for an early state and one for the last, a column for every layer; + blue, − red.

    Each picture has its own scale, and its flatness, the second singular value over the first. The line
    through 0 is the next layer's first right singular vector v_{k+1}, shorter the more it points out of the
    picture's plane: where layers align it lies along the samples.
    """
    series.require("mapped", "theta")
    structure, x, y = _network(series)
    total = len(structure.layers)
    shown = np.unique(np.linspace(0, total, min(total, MOST_LAYERS) + 1).round().astype(int))
    rows = _states(series, structure, x, [int(k) for k in shown])
    width = INCHES[options.size][0] * (1.6 if options.size == "column" else 1.0)
    side = width / len(shown)
    figure.set_size_inches(width, (side + 0.28) * len(rows) + 0.2)
    grid = np.atleast_2d(figure.subplots(len(rows), len(shown), squeeze=False))
    for line, (step, theta, pictures) in zip(grid, rows, strict=True):
        for axes, k, picture in zip(line, shown, pictures, strict=True):
            _picture(axes, picture, y, _title(int(k)))
            if k < total:
                _next(axes, picture, structure, theta, int(k))
        line[0].set_ylabel(f"step {step:,}", color=GREY)
    _legend(figure)


def _network(series: RunSeries) -> tuple[Structure, Array, Array]:
    """The run's structure and samples; BadInput where the network is no chain of matrices."""
    network = network_for(series, "mapped")
    structure, data = network.structure, network.dataset
    if any(layer.matrix is None or layer.biases for layer in structure.layers):
        raise BadInput(
            f"figure 'mapped' cannot be drawn: run '{series.name}' has layers that are no matrices, or "
            "biases."
        )
    return structure, data.x.reshape(data.n, -1), told_apart(data.y)


def _states(
    series: RunSeries, structure: Structure, x: Array, layers: list[int]
) -> list[tuple[int, Array, list[Mapped]]]:
    """The first record at which no layer maps everything to 0, and the last; (step, θ, pictures)."""
    steps = series.scalar("step")
    found: list[tuple[int, Array, list[Mapped]]] = []
    for row in (*range(min(len(steps), 8)), len(steps) - 1):
        theta = np.asarray(series.reader.read("theta", slice(row, row + 1)))[0]
        if not np.isfinite(theta).all():
            continue
        pictures = [mapped(theta, structure, x, k) for k in layers]
        last = row == len(steps) - 1
        early = not found and all(np.isfinite(p.flatness) for p in pictures)
        if last or early:
            found.append((int(steps[row]), theta, pictures))
    if not found:
        raise BadInput(
            f"figure 'mapped' cannot be drawn: run '{series.name}' has no finite weights."
        )
    return found[:1] + found[-1:] if len(found) > 1 else found


def _picture(axes: Axes, picture: Mapped, y: Array, title: str) -> None:
    """The samples in their plane, 0 in the middle."""
    reach = 1.1 * max(float(np.abs(picture.plane).max(initial=0.0)), 1e-300)
    axes.axhline(0.0, color=GREY, linewidth=0.4, zorder=0.4)
    axes.axvline(0.0, color=GREY, linewidth=0.4, zorder=0.4)
    high = y > np.median(np.unique(y)) if len(np.unique(y)) > 1 else np.ones(len(y), dtype=bool)
    for part, color, marker in ((high, BLUE, "o"), (~high, RED, "s")):
        plane = picture.plane[part]
        axes.scatter(
            plane[:, 0], plane[:, 1], s=5, color=color, marker=marker, linewidths=0, zorder=2
        )
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    flat = picture.flatness
    text = f"{flat:.2g}" if np.isfinite(flat) else "–"
    axes.set_title(f"{title}\n$s_2/s_1$ = {text}", fontsize=6)


def _next(axes: Axes, picture: Mapped, structure: Structure, theta: Array, k: int) -> None:
    """v_{k+1} of the layer behind this picture, in its plane."""
    matrix = structure.layers[k].matrix
    assert matrix is not None
    v = leading(structure.matrix(theta[None].astype(np.float64), matrix)).right[0]
    ends = np.outer([-1.0, 1.0], axes.get_xlim()[1] * (picture.axes @ v))
    axes.plot(ends[:, 0], ends[:, 1], color=INK, linewidth=0.8, zorder=1)


def _legend(figure: Figure) -> None:
    """What the marks are, once under all pictures."""
    handles = [
        Line2D([], [], color=BLUE, marker="o", markersize=2.5, linestyle="none", label="label +"),
        Line2D([], [], color=RED, marker="s", markersize=2.5, linestyle="none", label="label −"),
        Line2D([], [], color=INK, linewidth=0.8, label="$v_{k+1}$ of the next layer"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=7)


def _title(k: int) -> str:
    """x, W_1x, W_2W_1x, and from three on an ellipsis."""
    if k == 0:
        return "$x$"
    if k < 3:
        return "$" + "".join(f"W_{{{j}}}" for j in range(k, 0, -1)) + "x$"
    return rf"$W_{{{k}}}\cdots W_1x$"
