"""Where every neuron points over training (KH24 Fig. 1b, 4b)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workbench.arrays import Array
from workbench.figures.options import FigureOptions
from workbench.figures.residual import escape_points, has_direction, last_neurons
from workbench.figures.series import RunSeries
from workbench.figures.style import (
    BEHIND,
    BLUE,
    GREY,
    MANY_LINES,
    ORANGE,
    RED,
    drawable,
    legend_above,
    panels,
    say_if_empty,
)
from workbench.theory.ncf.result import KktPoint

KINDS: dict[str, tuple[str, str, Any]] = {
    "max": ("maximum", RED, "-"),
    "saddle": ("saddle", GREY, "-."),
    "min": ("minimum", GREY, ":"),
}
FAINTEST = 0.2


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """Angles for inputs in the plane, else each neuron's cosine with where it ends.

    The lines are the darker the larger the neuron's final norm. Horizontal lines are the
    non-negative KKT points of the constrained NCF of the last residual, where these are known.
    """
    series.require("directions", "neuron_angle", "neuron_direction")
    (axes,) = panels(figure, options, (1.3,))
    handles = put_directions(series, axes, options)
    series.put_x_axis(axes, options)
    legend_above(axes, handles, columns=6)
    say_if_empty(axes)


def put_directions(
    series: RunSeries, axes: Axes, options: FigureOptions
) -> Sequence[Line2D | Patch]:
    """The curves on given axes, without the horizontal one; the legend's handles."""
    if not series.has("neuron_angle"):
        return _cosines(series, axes, options)
    along = series.along(options, thin=True)
    angles = np.degrees(drawable(along.read("neuron_angle")))
    angles = np.where(has_direction(along, angles.shape), angles, np.nan)
    points = _kkt_lines(axes, escape_points(series))
    curves = [unwrapped_pieces(along.x, angles[:, k]) for k in range(angles.shape[1])]
    handles = [*_neurons(series, axes, curves), *points]
    axes.set_ylim(-190, 190)
    axes.set_yticks(range(-180, 181, 90))
    axes.set_ylabel("neuron angle (degrees)")
    return handles


def unwrapped_pieces(x: Array, angle: Array) -> tuple[Array, Array]:
    """The curve of an angle in degrees, with a gap wherever it jumps across ±180."""
    jumps = np.flatnonzero(np.abs(np.diff(angle)) > 180.0) + 1
    return np.insert(x.astype(float), jumps, np.nan), np.insert(angle, jumps, np.nan)


def _cosines(series: RunSeries, axes: Axes, options: FigureOptions) -> list[Line2D]:
    """cos of the angle between each neuron's direction and its last one."""
    along = series.along(options, thin=True)
    directions = drawable(along.read("neuron_direction"))
    last = _last_finite(directions)
    cosine = np.einsum("tkd,kd->tk", directions, last)
    cosine = np.where(has_direction(along, cosine.shape), cosine, np.nan)
    handles = _neurons(series, axes, [(along.x, cosine[:, k]) for k in range(cosine.shape[1])])
    axes.set_ylabel(r"$\langle\hat w_k(t),\,\hat w_k(T)\rangle$")
    axes.set_ylim(min(-0.05, float(np.nanmin(cosine, initial=0.0)) - 0.05), 1.05)
    return handles


def _last_finite(directions: Array) -> Array:
    """(K, d) the last directions without NaN."""
    whole = np.isfinite(directions).all(axis=(1, 2))
    row = int(np.flatnonzero(whole)[-1]) if whole.any() else -1
    last: Array = directions[row]
    return last


def _neurons(series: RunSeries, axes: Axes, curves: list[tuple[Array, Array]]) -> list[Line2D]:
    """Draw a curve a neuron, coloured by the sign of its output; the legend's handles."""
    shades = _shades(series, len(curves))
    neurons = last_neurons(series)
    v = np.ones(len(curves)) if neurons is None else neurons.v
    signs = np.sign(v) if len(v) == len(curves) else np.ones(len(curves))
    for (x, y), shade, sign in zip(curves, shades, signs, strict=True):
        axes.plot(
            x,
            y,
            color=ORANGE if sign < 0 else BLUE,
            alpha=float(shade),
            linewidth=0.8,
            rasterized=len(curves) >= MANY_LINES,
        )
    if not (signs < 0).any():
        return [Line2D([], [], color=BLUE, label="neurons")]
    names = ((1, BLUE, "neurons, output +"), (-1, ORANGE, "output −"))
    return [Line2D([], [], color=c, label=n) for s, c, n in names if (signs == s).any()]


def _shades(series: RunSeries, count: int) -> Array:
    """(count,) opacity of each neuron's line: its final log-norm, between faint and full."""
    full: Array = np.full(count, 0.9)
    if not series.has("neuron_norm"):
        return full
    norm = drawable(series.reader.read("neuron_norm", slice(-1, None))[0])
    if norm.shape != (count,):
        return full
    with np.errstate(divide="ignore"):
        size = drawable(np.log(norm))
    low, high = np.nanmin(size, initial=np.inf), np.nanmax(size, initial=-np.inf)
    if not high - low > 1e-9:
        return full
    share = np.nan_to_num((size - low) / (high - low), nan=0.0)
    shades: Array = FAINTEST + (1.0 - FAINTEST) * share
    return shades


def _kkt_lines(axes: Axes, points: list[KktPoint]) -> list[Line2D | Patch]:
    """A horizontal line a KKT direction, a band a flat set; the legend's handles."""
    shown: dict[str, Line2D | Patch] = {}
    for point in points:
        if point.kind == "flat" and point.extent is not None and point.extent.angles is not None:
            start, end = np.degrees(point.extent.angles)
            for turn in (-360.0, 0.0):
                axes.axhspan(start + turn, end + turn, color=RED, alpha=0.18, linewidth=0, zorder=0)
            shown["flat"] = Patch(color=RED, alpha=0.25, label="KKT flat set")
            continue
        name, color, dashes = KINDS.get(point.kind, KINDS["saddle"])
        angle = float(np.degrees(np.arctan2(point.direction[-1], point.direction[-2])))
        for turn in (0.0, -360.0 * np.sign(angle)) if abs(abs(angle) - 180.0) < 1e-6 else (0.0,):
            axes.axhline(angle + turn, color=color, linestyle=dashes, linewidth=0.8, zorder=BEHIND)
        label = f"KKT {name}"
        shown[point.kind] = Line2D(
            [], [], color=color, linestyle=dashes, linewidth=0.8, label=label
        )
    return [shown[kind] for kind in ("max", "saddle", "min", "flat") if kind in shown]
