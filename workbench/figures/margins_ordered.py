"""Every sample's margin against ln(n/𝓛), coloured by the order in which they end (JT20 Fig. 2 and 3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from workbench.arrays import Array, Int
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import GREY, MANY_LINES, drawable, panels, say_if_empty, show_all
from workbench.measures.margins import margins_median_normalized
from workbench.record.schema import STEP

BY_NORM, BY_MEDIAN = "margins", "margins_median_normalized"
NAMES = {BY_NORM: r"$q_i/\rho^L$", BY_MEDIAN: r"$q_i$ / median of $q_j\geq 0$"}
COLORS = "viridis"


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """One curve a sample over ln(n/𝓛), from the first record with 𝓛 < n ℓ(0) on, which disallows an
    artificial picture of convergence by small steps (JT20 App. A). The paper has every margin over the
    median of those that are not negative; a homogeneous network's are shown over ρ^L too."""
    name = series.require("margins-ordered", *NAMES)[0]
    at = series.far(replace(options, x="margin"))
    along = series.along(at, thin=True)
    x, kept = along.x, np.isfinite(along.x)
    values = drawable(along.read(name))
    shown = {name: values}
    if name == BY_NORM and values.shape[1] == (series.reader.n_samples or values.shape[1]):
        # ρ^L cancels in the quotient; of a part of the samples the median would be another.
        shown[BY_MEDIAN] = margins_median_normalized(values)
    axes = panels(figure, at, [1.0 if len(shown) > 1 else 1.15] * len(shown))
    order = _final_order(values)
    for panel, (by, curves) in zip(axes, shown.items(), strict=True):
        _curves(panel, x[kept], curves[kept], order)
        panel.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
        panel.set_ylabel(NAMES[by])
        say_if_empty(panel)
    _bar(axes)
    series.put_x_axis(axes[-1], at)
    _title(series, axes[0], values.shape[1])


def _final_order(values: Array) -> Int[np.ndarray, " n"]:
    """The samples by their last margin, the least first: the same by either normalization."""
    return np.argsort(values[-1], kind="stable") if len(values) else np.arange(values.shape[1])


def _curves(axes: Axes, x: Array, values: Array, order: Int[np.ndarray, " n"]) -> None:
    """Curves from the smallest final margin (dark) to the largest (bright)."""
    if not len(x):
        return
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
    show_all(axes, values, values[x >= x[0] + 0.25 * (x[-1] - x[0])])


def _bar(axes: list[Axes]) -> None:
    """What the colours say, once beside all panels."""
    drawn = [lines for panel in axes for lines in panel.collections]
    if not drawn:
        return
    last = drawn[0].norm.vmax or 1.0
    bar = axes[0].figure.colorbar(drawn[0], ax=axes, ticks=[0, last], fraction=0.04, pad=0.02)
    bar.ax.set_yticklabels(["least", "most"])
    bar.set_label("final margin", labelpad=-12)


def _title(series: RunSeries, axes: Axes, shown: int) -> None:
    """How many samples there are, and how many are drawn."""
    n = series.reader.n_samples or shown
    steps = series.scalar(STEP)
    what = f"{n:,} samples" if shown == n else f"{shown:,} of {n:,} samples"
    axes.set_title(f"{what}, {int(steps[-1]):,} steps", fontsize=9, loc="left")
