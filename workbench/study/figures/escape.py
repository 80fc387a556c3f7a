"""Escape time against the scale of the start, with its law: a power, or a logarithm (KH24 Theorem 5.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from xarray import Dataset

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.options import INCHES
from workbench.figures.style import BLUE, ORANGE, RED, SKY
from workbench.study.escape import ESCAPE, SCALE, EscapeTimes, escape_times, fitted
from workbench.study.figures.keys import (
    dims_over,
    is_seed,
    keys_of,
    number_texts,
    plain,
    value_text,
)
from workbench.study.figures.options import StudyFigureOptions
from workbench.study.figures.words import label_of, note_below
from workbench.study.line import Line

MANY_POINTS = 2_000
MOST_POINTS = 20_000
"""More members than this are thinned on the page, never in a fit."""


def draw(dataset: Dataset, figure: Figure, options: StudyFigureOptions) -> None:
    """Two panels of the same times: both axes logarithmic, and the horizontal one alone.

    Each has two least-squares lines, through the means and through all members, the slopes with their 95 %
    intervals. Below stand N and, by what became of them, all members that are in no fit.
    """
    key = _key(dataset, options)
    name = options.of or ESCAPE
    found = escape_times(dataset, key, name, options.saddle)
    if not found.all.escaped:
        raise BadInput(f"figure 'escape' cannot be drawn: {found.all.sentence()}.")
    power, logarithm = _panels(figure, options)
    label = label_of(dataset, name, options.saddle, 34)
    for axes, is_power in ((power, True), (logarithm, False)):
        _points(axes, found)
        _fits(axes, found, power=is_power)
        axes.set_xscale("log")
    power.set_ylabel(label)
    power.set_yscale("log")
    _few_ticks(power)
    logarithm.yaxis.set_major_formatter(_said)
    logarithm.set_xlabel(plain(key))
    if options.size == "page":
        power.set_xlabel(plain(key))
    else:
        logarithm.set_ylabel(label)
    note_below(figure, _note(found), options.size)


def _few_ticks(axes: Axes) -> None:
    """Over one or two decades 2 and 5 have names, not every digit."""
    low, high = axes.get_ylim()
    if high / low < 100.0:
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        for put in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            put(_said)


def _said(value: float, _: object) -> str:
    """A tick's number without its last bits."""
    return value_text(float(f"{value:.6g}"))


def _key(dataset: Dataset, options: StudyFigureOptions) -> str:
    if options.over:
        return dims_over(dataset, options.over, "escape", default=1, most=1)[0][0]
    keys = keys_of(dataset)
    if SCALE in keys:
        return SCALE
    numbers = [k for k in keys if not is_seed(k) and dataset[k].dtype.kind in "iuf"]
    if not numbers:
        raise BadInput(
            f"figure 'escape' is drawn over {SCALE}, which is no key of this study; --over names another."
        )
    return numbers[0]


def _panels(figure: Figure, options: StudyFigureOptions) -> list[Axes]:
    """Side by side on a page, above one another in a column."""
    width, height = INCHES[options.size]
    page = options.size == "page"
    figure.set_size_inches(width, height if page else 2.1 * height)
    shape = (1, 2) if page else (2, 1)
    return [figure.add_subplot(*shape, 1), figure.add_subplot(*shape, 2)]


def _points(axes: Axes, found: EscapeTimes) -> None:
    """Every member that escaped, faint; of each value of the key the mean, hollow where some have none."""
    x, t = found.points()
    every = max(1, len(x) // MOST_POINTS)
    axes.plot(
        x[::every],
        t[::every],
        linestyle="none",
        marker="o",
        markersize=2.2,
        markeredgewidth=0,
        color=SKY,
        alpha=0.35,
        zorder=1,
        rasterized=len(x) > MANY_POINTS,
    )


def _fits(axes: Axes, found: EscapeTimes, *, power: bool) -> None:
    fit = fitted(found, power=power)
    ends = found.start[[k for k, times in enumerate(found.times) if len(times)]][[0, -1]]
    x = np.geomspace(ends[0], ends[1], 64)
    for line, colour, dashes, what in (
        (fit.means, RED, "-", "means"),
        (fit.members, ORANGE, "--", "members"),
    ):
        if line is not None:
            text = f"{what}: {_slope(line, power)}"
            curve = fit.curve(line, x)
            axes.plot(x, curve, color=colour, linestyle=dashes, zorder=2, label=text)
    for whole, face, label in ((True, BLUE, None), (False, "white", "not all escaped")):
        at, mean = _means(found, power, whole)
        if len(at):
            axes.plot(
                at,
                mean,
                linestyle="none",
                marker="o",
                markersize=4,
                color=BLUE,
                markerfacecolor=face,
                zorder=3,
                label=label,
            )
    law = r"$\ln t=a+b\,\ln x$" if power else r"$t=a+b\,\ln x$"
    axes.legend(
        title=f"{law}, slope $b$",
        title_fontsize=8,
        fontsize=7,
        handlelength=1.3,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(-0.12, 1.02),
        borderaxespad=0.2,
    )


def _means(found: EscapeTimes, power: bool, whole: bool) -> tuple[Array, Array]:
    """Values of the key and mean times, of those where all members escaped or where not all did."""
    kept = [
        k
        for k, census in enumerate(found.census)
        if census.escaped and (census.escaped == census.total) == whole
    ]
    means: Any = [
        np.exp(np.log(found.times[k]).mean()) if power else found.times[k].mean() for k in kept
    ]
    return found.start[kept], np.array(means)


def _slope(line: Line, power: bool) -> str:
    """The slope with its interval, and R²."""

    def said(value: float) -> str:
        if power:
            return f"{value:.3f}"
        return f"{value:,.0f}" if abs(line.slope) >= 1000 else f"{value:.4g}"

    text = said(line.slope)
    if np.isfinite(line.low):
        text += f" [{said(line.low)}, {said(line.high)}]"
    text = text.replace("-", "−")
    return text + (f", $R^2={line.r_squared:.3f}$" if np.isfinite(line.r_squared) else "")


def _note(found: EscapeTimes) -> list[str]:
    """N, and where members have no time the values of the key at which that is so."""
    lines = [found.all.sentence() + "."]
    short = [
        f"{text}: {census.total - census.escaped:,}"
        for text, census in zip(number_texts(found.start.tolist()), found.census, strict=True)
        if census.total > census.escaped
    ]
    if short:
        rest = f" and {len(short) - 6} more" if len(short) > 6 else ""
        lines.append(f"Without a time at {plain(found.key)} {', '.join(short[:6])}{rest}.")
    return lines
