"""Every sample's margin against ln(n/𝓛), coloured by the order in which they end (JT20 Fig. 2 and 3)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from workbench.arrays import Array
from workbench.record.figures.margins import SAMPLES
from workbench.record.figures.options import INCHES, FigureOptions
from workbench.record.figures.series import RunSeries
from workbench.record.figures.style import GREY, MANY_LINES, drawable, say_if_empty
from workbench.record.schema import STEP

COLORS = "viridis"


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """One curve a sample over ln(n/𝓛), from the first record with 𝓛 < n ℓ(0) on, which disallows an
    artificial picture of convergence by small steps (JT20 App. A). Networks without an order have their
    margins over the median of those that are not negative, and the axis says so."""
    name = series.require("margins-ordered", *SAMPLES)[0]
    width, height = INCHES[options.size]
    figure.set_size_inches(width, 1.15 * height)
    axes = figure.add_subplot()
    values = drawable(series.vector(name))
    at = FigureOptions(x="margin", log_x=options.log_x, size=options.size)
    x = series.x(at, thin=True)
    # Of an axis that goes back only what is new is drawn.
    ahead = x >= np.fmax.accumulate(x)
    kept = ahead & np.isfinite(x) & (x > (0.0 if options.log_x else -np.inf))
    _curves(axes, x[kept], values[kept])
    axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    series.put_x_axis(axes, at)
    axes.set_ylabel(SAMPLES[name])
    _title(series, axes, values.shape[1])
    say_if_empty(axes)


def _curves(axes: Axes, x: Array, values: Array) -> None:
    """Curves from the smallest final margin (dark) to the largest (bright)."""
    if not len(x):
        return
    order = np.argsort(values[-1], kind="stable")
    count = len(order)
    lines = LineCollection(
        [np.column_stack([x, values[:, i]]) for i in order],
        cmap=COLORS,
        norm=Normalize(0, max(1, count - 1)),
        array=np.arange(count, dtype=float),
        linewidths=0.9 if count <= 64 else 0.35,
        rasterized=count > MANY_LINES,
    )
    axes.add_collection(lines)
    axes.autoscale_view()
    late = values[len(values) // 4 :]
    late = late[np.isfinite(late)]
    if late.size:
        low, high = min(0.0, float(late.min())), float(late.max())
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low) or 1.0)
    bar = axes.figure.colorbar(lines, ax=axes, ticks=[0, count - 1], fraction=0.04, pad=0.02)
    bar.ax.set_yticklabels(["least", "most"])
    bar.set_label("final margin")


def _title(series: RunSeries, axes: Axes, shown: int) -> None:
    """How many samples there are, and how many are drawn."""
    n = series.reader.n_samples or shown
    steps = series.scalar(STEP)
    what = f"{n:,} samples" if shown == n else f"{shown:,} of {n:,} samples"
    axes.set_title(f"{what}, {int(steps[-1]):,} steps", fontsize=9, loc="left")
