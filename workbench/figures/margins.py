"""Margins over training: of the network (LL20 Thm 4.1, §4.4) and of its samples (JT20 Cor. 3.2)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workbench.figures.curves import DASHES, Curve, Dashes, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import Along, RunSeries
from workbench.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    RED,
    drawable,
    legend_above,
    panels,
    say_if_empty,
    show_all,
)

NETWORK = {
    "margin_normalized": (r"$\bar\gamma=q_{\min}/\rho^L$", BLUE, "-"),
    "margin_smoothed": (r"$\tilde\gamma=\ell^{-1}(\mathcal{L})/\rho^L$", RED, "--"),
    "margin_multi": (r"$\bar\gamma_m=q_{\min}/\prod\rho_i^{k_i}$", GREEN, "-."),
}
SAMPLES = {
    "margins": r"$q_i/\rho^L$",
    "margins_median_normalized": r"$q_i$ / median of $q_j\geq 0$",
}
"""Sample margins as a run records them: over the median where the network has no order (JT20 App. A)."""
AT_UNIT_NORM = r"$\min_i\,y_i\Phi(\theta/\rho;x_i)$"
"""What `margin_normalized` is where there is no order L to divide by (VSS22 §6)."""
LEAST = r"$q_{\min}$ / median of $q_j\geq 0$"
SINGLE_SAMPLES = 64
"""Up to this many samples have a curve of their own; more are drawn as bands of quantiles."""
BANDS = ((0.0, 1.0), (0.05, 0.95), (0.25, 0.75))


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """γ̄, γ~ and γ̄_m in the upper panel, the sample margins in the lower, normalized as they were recorded.

    Where no margin of the network was recorded, as it has no order, the least of the samples stands for it.
    """
    found = series.require("margins", *NETWORK, *SAMPLES)
    samples = next((name for name in found if name in SAMPLES), None)
    network = [name for name in found if name in NETWORK]
    axes = panels(figure, options, [1.0] * ((samples is not None) + 1))
    if network:
        _network(series, axes[0], network, options)
    elif samples is not None:
        _least(series, axes[0], samples, options)
    if samples is not None:
        _samples(series, axes[-1], samples, options)
    series.put_x_axis(axes[-1], options)
    for panel in axes:
        say_if_empty(panel)


def _network(series: RunSeries, axes: Axes, names: list[str], options: FigureOptions) -> None:
    along = series.along(options)
    values = {name: drawable(along.read(name)) for name in names}
    for name in names:
        label, color, dashes = NETWORK[name]
        if name == "margin_normalized" and not series.reader.has("margins"):
            label = AT_UNIT_NORM
        axes.plot(along.x, values[name], color=color, linestyle=dashes, label=label)
    axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    _fit_margins(axes, list(values.values()))
    axes.set_ylabel("margin")
    legend_above(axes, columns=2 if options.size == "column" else 3)


def _least(series: RunSeries, axes: Axes, name: str, options: FigureOptions) -> None:
    """The least of the samples' margins, of those that are kept."""
    along = series.along(options, thin=True)
    least = drawable(along.read(name)).min(axis=1)
    axes.plot(along.x, least, color=BLUE, label="least of the samples")
    axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    _fit_margins(axes, [least])
    axes.set_ylabel(LEAST)
    legend_above(axes)


def _fit_margins(axes: Axes, curves: list[np.ndarray]) -> None:
    """A start far below 0 is not to flatten all that follows."""
    show_all(axes, np.concatenate(curves), np.concatenate([c[len(c) // 4 :] for c in curves]))


def _samples(series: RunSeries, axes: Axes, name: str, options: FigureOptions) -> None:
    """A curve a sample, or bands between quantiles of all samples."""
    along = series.along(options, thin=True)
    x, values = along.x, drawable(along.read(name))
    axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    axes.set_ylabel(f"sample margins {SAMPLES[name]}")
    if values.shape[1] <= SINGLE_SAMPLES:
        axes.plot(x, values, color=BLUE, linewidth=0.6, alpha=0.55)
        handles = [Line2D([], [], color=BLUE, linewidth=0.8, label="samples")]
        _fit_margins(axes, list(values.T))
        legend_above(axes, handles)
        return
    levels, shares = _quantiles(along, values)
    for (low, high), alpha in zip(BANDS, (0.15, 0.25, 0.4), strict=True):
        lower, upper = levels[:, shares.index(low)], levels[:, shares.index(high)]
        axes.fill_between(x, lower, upper, color=BLUE, alpha=alpha, linewidth=0)
    axes.plot(x, levels[:, shares.index(0.5)], color=INK)
    _fit_margins(axes, [levels[:, shares.index(s)] for s in (0.0, 0.5, 1.0)])
    names = ("all", "5–95 %", "25–75 %")
    patches = [
        Patch(color=BLUE, alpha=1.3 * a, label=n)
        for n, a in zip(names, (0.15, 0.3, 0.6), strict=True)
    ]
    legend_above(axes, [Line2D([], [], color=INK, label="median"), *patches])


def _quantiles(along: Along, values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """(K, Q) quantiles over all samples and their shares: as recorded, else of the margins kept."""
    wanted = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0]
    if along.series.has("margins_quantiles"):
        shares = along.series.reader.coordinate("quantile")
        recorded = [] if shares is None else [round(float(s), 6) for s in shares]
        if set(wanted) <= set(recorded):
            return drawable(along.read("margins_quantiles")), recorded
    finite = np.isfinite(values).all(axis=1)
    levels = np.full((len(values), len(wanted)), np.nan)
    levels[finite] = np.quantile(values[finite], wanted, axis=1).T
    return levels, wanted


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """γ̄ with γ~ dashed, γ̄_m under them; the least of the samples where that is all there is."""
    found = series.require("margins", *NETWORK, *SAMPLES)
    along = series.along(options)

    def curve(name: str, dashes: Dashes = "-") -> Curve:
        symbol = NETWORK[name][0].split("=")[0].strip("$")
        return Curve(along.x, along.read(name), f"${symbol}$", dashes)

    by_norm = [
        curve(name, dashes)
        for name, dashes in (("margin_normalized", DASHES[0]), ("margin_smoothed", DASHES[1]))
        if name in found
    ]
    shown = [Panel("margin", tuple(by_norm), level=0.0, late=True)] if by_norm else []
    if "margin_multi" in found:
        shown.append(Panel(r"$\bar\gamma_m$", (curve("margin_multi"),), level=0.0, late=True))
    if shown:
        return shown
    least = drawable(along.read(found[0])).min(axis=1)
    return [Panel(LEAST, (Curve(along.x, least),), level=0.0, late=True)]
