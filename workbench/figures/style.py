"""How every figure looks: fonts, lines, colours, axes; and the few things every panel needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

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

BESIDE = 0.5
"""Inches beside a panel, which a legend over it does not have."""

MUCH = 3.0
"""How many times the size of late numbers all of them may span on a linear axis."""

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
    """A legend over the panel, outside the data, in as many columns as its width holds."""
    found = list(handles) if handles is not None else axes.get_legend_handles_labels()[0]
    figure = axes.get_figure(root=True)
    if not found or figure is None:
        return
    room = (figure.get_figwidth() - BESIDE) * figure.dpi
    for count in range(min(columns, len(found)), 0, -1):
        legend = axes.legend(
            handles=found,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2,
            ncols=count,
        )
        if legend.get_window_extent().width <= room:
            return


def widen(axes: Axes, values: Array, span: float) -> bool:
    """Have the vertical axis span at least so much, so that what stands still looks like it; whether it
    would not have."""
    values = values[np.isfinite(values)]
    if not values.size or np.ptp(values) >= span:
        return False
    middle = float(values.max() + values.min()) / 2.0
    axes.set_ylim(middle - span / 2.0, middle + span / 2.0)
    return True


def show_all(axes: Axes, whole: Array, late: Array) -> None:
    """A vertical axis on which everything has a place, and `late` at least half of it: where the `whole` is
    far larger, numbers beyond the late ones' size stand logarithmically."""
    whole, late = whole[np.isfinite(whole)], late[np.isfinite(late)]
    if not whole.size:
        return
    low, high = min(0.0, float(whole.min())), max(0.0, float(whole.max()))
    size = float(np.abs(late).max()) if late.size else 0.0
    if size == 0.0 or high - low <= MUCH * size:
        return
    beyond = sum(max(0.0, np.log10(end / size)) for end in (high, -low) if end > 0.0)
    axes.set_yscale("symlog", linthresh=size, linscale=max(0.5, beyond))
    every = 1 + int(beyond // 4)
    decades = 10.0 ** np.arange(np.ceil(np.log10(4.0 * size)), 1 + np.log10(max(high, -low)), every)
    inner = np.asarray(MaxNLocator(3).tick_values(max(low, -size), min(high, size)))
    ticks = np.concatenate([-decades, inner[np.abs(inner) <= size], decades])
    axes.yaxis.set_major_locator(FixedLocator(ticks[(ticks >= low) & (ticks <= high)].tolist()))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    place = axes.yaxis.get_transform()
    ends = place.transform(np.array([low, high]))
    room = 0.05 * (ends[1] - ends[0]) * np.array([-1.0, 1.0])
    axes.set_ylim(*place.inverted().transform(ends + room))


def _plain(value: float, _: object) -> str:
    """A number as it is, and from ten thousand on as a power of ten, which it then is."""
    sign, size = "−" if value < 0 else "", abs(value)
    return f"{sign}{size:.4g}" if size < 1e4 else f"${sign}10^{{{np.log10(size):.3g}}}$"


def offsets_into_labels(figure: Figure) -> None:
    """Put what multiplies all numbers of an axis (×10⁻⁴) beside its name: at its end it would stand on the
    legend."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            factor = axis.get_offset_text().get_text()
            if factor and axis.get_offset_text().get_visible() and axis.label.get_text():
                axis.label.set_text(f"{axis.label.get_text()}  ({factor})")
                axis.get_offset_text().set_visible(False)


def run_colours(count: int) -> list[Any]:
    """A colour a curve, told apart by every kind of colour vision."""
    if count <= len(CYCLE):
        return list(CYCLE[:count])
    return list(colormaps["viridis"](np.linspace(0.0, 0.85, count)))
