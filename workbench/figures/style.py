"""How every figure looks: fonts, lines, colours, axes; and the few things every panel needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.arrays import Array
from workbench.figures.options import INCHES, FigureOptions

# Okabe and Ito's colours, told apart by every kind of colour vision.
BLUE, RED, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, INK, GREY = "#CC79A7", "#56B4E9", "#1a1a1a", "#8c8c8c"
CYCLE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)

STYLE: Any = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "round",
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "workbench",
    "figure.facecolor": "white",
}

BEHIND = 0.5
"""Reference lines (zero, KKT directions) are drawn at this height or below, curves above."""

MANY_LINES = 256
"""From this many curves on, a vector file holds them as one picture."""


def panels(figure: Figure, options: FigureOptions, heights: Sequence[float] = (1.0,)) -> list[Axes]:
    """Axes above one another with one horizontal axis, `heights` in units of one panel."""
    width, height = INCHES[options.size]
    figure.set_size_inches(width, height * sum(heights))
    grid = figure.add_gridspec(len(heights), 1, height_ratios=list(heights))
    axes: list[Axes] = []
    for row in range(len(heights)):
        axes.append(figure.add_subplot(grid[row, 0], sharex=axes[0] if axes else None))
    for upper in axes[:-1]:
        upper.tick_params(labelbottom=False)
    return axes


def drawable(values: Array) -> Array:
    """Values with everything that has no place on a page (±∞) as NaN, which leaves a gap."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def positive(values: Array) -> Array:
    """Values for a logarithmic axis: what is not positive leaves a gap."""
    values = drawable(values)
    return np.where(values > 0, values, np.nan)


def say_if_empty(axes: Axes) -> None:
    """Say so where no curve has a point to show; reference lines lie behind and do not count."""
    for line in axes.get_lines():
        if line.get_zorder() <= BEHIND:
            continue
        y = np.asarray(line.get_ydata(), dtype=float)
        if y.size and np.isfinite(y).any():
            return
    if not axes.collections:
        text = "no finite values"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=GREY, style="italic")


def legend_above(axes: Axes, handles: Sequence[Any] | None = None, columns: int = 4) -> None:
    """A legend over the panel, outside the data."""
    found = list(handles) if handles is not None else axes.get_legend_handles_labels()[0]
    if found:
        axes.legend(
            handles=found,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2,
            ncols=min(columns, len(found)),
        )
