"""How the layers align: ‖W_k‖_2/‖W_k‖_F, adjacent singular vectors, the max margin (JT19 Fig. 1, 3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.residual import run_structure
from workbench.figures.series import RunSeries
from workbench.figures.style import (
    BEHIND,
    CYCLE,
    INK,
    drawable,
    legend_above,
    panels,
    positive,
    say_if_empty,
)

RATIO = r"$\|W_k\|_2/\|W_k\|_F$"
TO_SVM = r"$|\langle v_1,\bar u\rangle|$"
ALIGNED = 1e-3
"""1 − |cos| below which a second panel shows how far it has come, on a logarithmic axis."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """Ratios above; alignments below, as 1 − |cos| where they come near 1."""
    series.require("layers", "layer_rank1")
    options = series.far(options)
    along = series.along(options, thin=True)
    pairs = along.read("layer_alignment") if series.has("layer_alignment") else None
    if pairs is not None and not np.isfinite(pairs).any():
        pairs = None
    svm = along.read("svm_alignment") if series.has("svm_alignment") else None
    two = pairs is not None or svm is not None
    axes = panels(figure, options, (0.9, 0.9) if two else (1.2,))
    _ratios(axes[0], along.x, along.read("layer_rank1"), _bounds(series))
    if two:
        _alignments(axes[1], along.x, pairs, svm)
    series.put_x_axis(axes[-1], options)
    for panel in axes:
        say_if_empty(panel)


def _bounds(series: RunSeries) -> dict[int, float]:
    """Of the layers that are matrices and no vectors, the ratio that no matrix of their shape is below."""
    structure = run_structure(series)
    matrices = [] if structure is None else [layer.matrix for layer in structure.layers]
    sides = {k: min(m.shape) for k, m in enumerate(matrices) if m is not None}
    return {k: side**-0.5 for k, side in sides.items() if side > 1}


def _ratios(axes: Axes, x: Array, ratios: Array, bounds: dict[int, float]) -> None:
    """One curve a layer that is a matrix, over d^{−1/2} of its smaller side; 1 is the rank-1 layer."""
    axes.axhline(1.0, color=INK, linewidth=0.6, linestyle=":", zorder=0.4)
    handles = []
    known: list[int] = np.flatnonzero(np.isfinite(ratios).any(axis=0)).tolist()
    for k in known:
        color = CYCLE[k % len(CYCLE)]
        axes.plot(x, drawable(ratios[:, k]), color=color, zorder=2)
        handles.append(Line2D([], [], color=color, label=f"$W_{{{k + 1}}}$"))
        if k in bounds:
            axes.axhline(bounds[k], color=color, linewidth=0.7, linestyle=":", zorder=BEHIND)
    if any(k in bounds for k in known):
        handles.append(Line2D([], [], color=INK, linewidth=0.7, linestyle=":", label="$d^{-1/2}$"))
    axes.set_ylim(min(0.0, float(np.nanmin(ratios, initial=0.0))), 1.05)
    axes.set_ylabel(RATIO)
    legend_above(axes, handles, columns=6)


def _alignments(axes: Axes, x: Array, pairs: Array | None, svm: Array | None) -> None:
    """|⟨v_{k+1}, u_k⟩| of every pair dashed, |⟨v_1, ū⟩| in ink."""
    curves: list[tuple[Array, str, Literal["-", "--"], str]] = []
    for k in range(0 if pairs is None else pairs.shape[1]):
        if pairs is not None and np.isfinite(pairs[:, k]).any():
            label = rf"$|\langle v_{{{k + 2}}},u_{{{k + 1}}}\rangle|$"
            curves.append((pairs[:, k], CYCLE[k % len(CYCLE)], "--", label))
    if svm is not None:
        curves.append((svm, INK, "-", TO_SVM))
    near = any(np.nanmin(1.0 - values, initial=1.0) < ALIGNED for values, *_ in curves)
    for values, color, line, _ in curves:
        shown = positive(_missing(values)) if near else drawable(values)
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


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """A dash a layer, of more than there are dashes the least of them; how far from alignment under them."""
    series.require("layers", "layer_rank1")
    along = series.along(options, thin=True)
    ratios = drawable(along.read("layer_rank1"))
    known = np.flatnonzero(np.isfinite(ratios).any(axis=0))
    if len(known) > len(DASHES):
        least = _least(ratios[:, known])
        upper = [Curve(along.x, least, "least of the layers")]
    else:
        upper = [
            Curve(along.x, ratios[:, k], f"$W_{{{k + 1}}}$", dashes)
            for k, dashes in zip(known, DASHES, strict=False)
        ]
    shown = [Panel(RATIO, tuple(upper), level=1.0)]
    lower = []
    if series.has("svm_alignment"):
        lower.append(Curve(along.x, _missing(along.read("svm_alignment")), TO_SVM))
    if series.has("layer_alignment"):
        pairs = _least(drawable(along.read("layer_alignment")))
        if np.isfinite(pairs).any():
            lower.append(Curve(along.x, _missing(pairs), "least of the pairs of layers", DASHES[1]))
    return [*shown, Panel("1 − alignment", tuple(lower), log=True)] if lower else shown


def _least(values: Array) -> Array:
    """(K) the least of every row's numbers, NaN where it has none."""
    return drawable(np.nanmin(values, axis=1, initial=np.inf))


def _missing(alignment: Array) -> Array:
    """1 − |cos|, which is rounding below 1e−16: at 1 exactly it has no place on the axis."""
    return np.maximum(1.0 - alignment, 1e-16)
