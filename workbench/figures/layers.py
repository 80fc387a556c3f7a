"""How the layers align: ‖W_k‖_2/‖W_k‖_F, adjacent singular vectors, the max margin (JT19 Fig. 1, 3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import (
    CYCLE,
    INK,
    drawable,
    legend_above,
    panels,
    positive,
    say_if_empty,
)

ALIGNED = 1e-3
"""1 − |cos| below which a second panel shows how far it has come, on a logarithmic axis."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """Ratios above; alignments below, as 1 − |cos| where they come near 1."""
    series.require("layers", "layer_rank1")
    options = series.far(options)
    pairs = series.vector("layer_alignment") if series.has("layer_alignment") else None
    if pairs is not None and not np.isfinite(pairs).any():
        pairs = None
    svm = series.scalar("svm_alignment")[series.thinned] if series.has("svm_alignment") else None
    two = pairs is not None or svm is not None
    axes = panels(figure, options, (0.9, 0.9) if two else (1.2,))
    x = series.x(options, thin=True)
    _ratios(axes[0], x, series.vector("layer_rank1"))
    if two:
        _alignments(axes[1], x, pairs, svm)
    series.put_x_axis(axes[-1], options)
    for panel in axes:
        say_if_empty(panel)


def _ratios(axes: Axes, x: Array, ratios: Array) -> None:
    """One curve a layer that is a matrix; 1 is the rank-1 layer."""
    axes.axhline(1.0, color=INK, linewidth=0.6, linestyle=":", zorder=0.4)
    handles = []
    for k in np.flatnonzero(np.isfinite(ratios).any(axis=0)):
        color = CYCLE[k % len(CYCLE)]
        axes.plot(x, drawable(ratios[:, k]), color=color, zorder=2)
        handles.append(Line2D([], [], color=color, label=f"$W_{{{k + 1}}}$"))
    axes.set_ylim(min(0.0, float(np.nanmin(ratios, initial=0.0))), 1.05)
    axes.set_ylabel(r"$\|W_k\|_2/\|W_k\|_F$")
    legend_above(axes, handles, columns=6)


def _alignments(axes: Axes, x: Array, pairs: Array | None, svm: Array | None) -> None:
    """|⟨v_{k+1}, u_k⟩| of every pair dashed, |⟨v_1, ū⟩| in ink."""
    curves: list[tuple[Array, str, Literal["-", "--"], str]] = []
    for k in range(0 if pairs is None else pairs.shape[1]):
        if pairs is not None and np.isfinite(pairs[:, k]).any():
            label = rf"$|\langle v_{{{k + 2}}},u_{{{k + 1}}}\rangle|$"
            curves.append((pairs[:, k], CYCLE[k % len(CYCLE)], "--", label))
    if svm is not None:
        curves.append((svm, INK, "-", r"$|\langle v_1,\bar u\rangle|$"))
    near = any(np.nanmin(1.0 - values, initial=1.0) < ALIGNED for values, *_ in curves)
    for values, color, line, _ in curves:
        # 1 − |cos| is rounding below 1e−16, and at 1 exactly it has no place on the axis.
        shown = positive(np.maximum(1.0 - values, 1e-16)) if near else drawable(values)
        axes.plot(x, shown, color=color, linestyle=line, zorder=2)
    if near:
        axes.set_yscale("log")
        axes.set_ylabel("1 − alignment")
    else:
        axes.set_ylim(0.0, 1.05)
        axes.set_ylabel("alignment")
    handles = [
        Line2D([], [], color=color, linestyle=line, label=label) for _, color, line, label in curves
    ]
    legend_above(axes, handles, columns=3)
