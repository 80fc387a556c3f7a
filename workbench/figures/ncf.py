"""The constrained NCF over the angle, and the neurons' way over it (KH24 Fig. 3, 4b)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.directions import unwrapped_pieces
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.residual import (
    FITTED,
    Neurons,
    has_direction,
    last_neurons,
    last_residual,
    neurons_at,
)
from workbench.figures.series import LABELS, RunSeries
from workbench.figures.style import (
    BEHIND,
    BLUE,
    GREY,
    INK,
    MANY_LINES,
    ORANGE,
    RED,
    drawable,
    legend_above,
)
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import KktPoint

RESOLUTION = 1441
"""Angles the landscape is drawn at: every quarter of a degree."""
MARKS = {"max": "^", "min": "v", "saddle": "D"}
NEEDS = "it shows two-layer or squared ReLU neurons on inputs in the plane"


@dataclass(frozen=True, eq=False)
class Landscape:
    """The data of an NCF: inputs, the residual z that the first record leaves, and the neurons."""

    x: Float[np.ndarray, "n d"]
    z: Float[np.ndarray, " n"]
    neurons: Neurons

    @cached_property
    def ncf(self) -> Ncf:
        """The correlation function of neurons with output +."""
        return Ncf(self.x, self.z, self.neurons.kind, self.neurons.leak)


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """N of the residual that training began with, on top; below, the neurons' angles, time downward.

    For two-layer ReLU N is that of balanced neurons with v > 0, |v| = ‖u‖ = 1/√2 (Lemma H.1); neurons
    with v < 0, or of a fixed negative sign, see −N and climb where it falls.
    """
    width, height = INCHES[options.size]
    figure.set_size_inches(width, height * (1.7 if options.size == "column" else 1.4))
    grid = figure.add_gridspec(2, 1, height_ratios=[1.0, 1.25])
    above = figure.add_subplot(grid[0, 0])
    below = figure.add_subplot(grid[1, 0], sharex=above)
    above.tick_params(labelbottom=False)
    found = landscape_of(series, "ncf")
    signs = np.sign(last_signs(series))
    handles: list[Line2D | Patch] = []
    if found is not None:
        if found.x.shape[1] != 2:
            raise BadInput(
                f"figure 'ncf' cannot be drawn: {NEEDS}, and inputs of run '{series.name}' have "
                f"{found.x.shape[1]} dimensions."
            )
        handles += _curve(above, found, signs)
        handles += _points(above, below, found, signs)
    shown = _paths(series, below, signs, options)
    handles += [
        Line2D([], [], color=color, label=name)
        for color, name, there in (
            (BLUE, "neurons", (signs > 0).any()),
            (ORANGE, "neurons, output −", (signs < 0).any()),
        )
        if shown and there
    ]
    if found is None or not shown:
        panel = below if found is not None else above
        text = "no finite values"
        panel.text(
            0.5, 0.5, text, transform=panel.transAxes, ha="center", color=GREY, style="italic"
        )
    above.set_ylabel(r"$\mathcal{N}(\theta)$")
    below.set_xlabel(r"angle $\theta$ (degrees)")
    below.set_xlim(-180.0, 180.0)
    below.set_xticks(range(-180, 181, 90))
    # Names of the output's sign are long: three of them side by side do not fit over a column.
    fitting = 2 if (signs < 0).any() else 3
    legend_above(above, handles, columns=fitting if options.size == "column" else 6)


def landscape_of(series: RunSeries, figure: str) -> Landscape | None:
    """What the first record leaves of the labels; None where nothing of it is finite or not 0.

    Raises:
        BadInput: the network's neurons have no NCF of their own, or were not recorded.
    """
    series.require(figure, "theta", "neuron_norm")
    first = neurons_at(series, slice(0, 1))
    if first is None:
        kind = series.setting("model", "kind", "of an unknown kind")
        why = (
            f"the network of run '{series.name}' is {kind}, or not all of its weights were recorded"
        )
        if series.run.config.own_code:
            why = (
                f"run '{series.name}' has a network or a loss of your own, and figures import none"
            )
        raise BadInput(f"figure '{figure}' cannot be drawn: {NEEDS}, and {why}.")
    residual = last_residual(series, first)
    if residual is None:
        return None
    x, z = residual
    return Landscape(x, np.where(np.abs(z) < FITTED * np.abs(z).max(), 0.0, z), first)


def last_signs(series: RunSeries) -> Float[np.ndarray, " H"]:
    """The neurons' outgoing weights at the last record; those that are not known count as 1."""
    last = last_neurons(series)
    v = np.ones(1) if last is None else last.v
    return np.where(np.isfinite(v) & (v != 0), v, 1.0)


def on_circle(found: Landscape, angle: Array) -> Array:
    """N at angles, of a unit u, or of (1, u)/√2 for two-layer ReLU."""
    u = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kind = found.neurons.kind
    if kind is NeuronKind.TWO_LAYER_RELU:
        u = np.hstack([np.ones((len(u), 1)), u]) / np.sqrt(2.0)
    return np.asarray(found.ncf.value(u))


def _curve(axes: Axes, found: Landscape, signs: Array) -> list[Line2D]:
    """The landscape and the inputs' angles on its floor; the legend's handles."""
    angle = np.linspace(-np.pi, np.pi, RESOLUTION)
    value = on_circle(found, angle)
    axes.plot(np.degrees(angle), value, color=INK)
    axes.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    low, high = min(0.0, float(value.min())), max(0.0, float(value.max()))
    room = 0.1 * ((high - low) or 1.0)
    axes.set_ylim(low - 1.4 * room, high + 1.4 * room)
    inputs = np.degrees(np.arctan2(found.x[:, 1], found.x[:, 0]))
    axes.plot(
        inputs,
        np.zeros_like(inputs),
        transform=axes.get_xaxis_transform(),
        marker="|",
        markersize=6,
        markeredgewidth=0.6,
        color=GREY,
        linestyle="none",
        clip_on=False,
    )
    name = r"$\mathcal{N}$ for output $+$" if (signs < 0).any() else r"$\mathcal{N}$"
    return [
        Line2D([], [], color=INK, label=name),
        Line2D([], [], color=GREY, marker="|", linestyle="none", label="inputs"),
    ]


def _points(above: Axes, below: Axes, found: Landscape, signs: Array) -> list[Line2D | Patch]:
    """KKT points that neurons may settle on, N ≥ 0 for their own sign, on curve and paths."""
    shown: dict[str, Line2D | Patch] = {}
    for sign in sorted(set(np.sign(signs)), reverse=True):
        for point, height in _visible(found, float(sign)):
            label, handle = _mark(above, below, point, height)
            shown.setdefault(label, handle)
    return [shown[key] for key in sorted(shown)]


def _visible(found: Landscape, sign: float) -> list[tuple[KktPoint, float]]:
    """(point, height on the curve of output +) of the non-negative KKT points for an output sign."""
    kind, leak = found.neurons.kind, found.neurons.leak
    floor = -1e-12 * float(np.abs(found.z).sum())
    if kind is NeuronKind.SQUARED_RELU:
        points = kkt_points(Ncf(found.x, sign * found.z, kind, leak)).points
    else:
        # A point with v = 0 belongs to neurons of either sign.
        points = kkt_points(found.ncf).points
        points = tuple(p for p in points if p.direction[0] * sign >= 0)
    kept = [p for p in points if p.value >= floor and np.linalg.norm(p.direction[-2:]) > 1e-9]
    return [(p, sign * p.value) for p in kept]


def _mark(above: Axes, below: Axes, point: KktPoint, height: float) -> tuple[str, Line2D | Patch]:
    """Draw one KKT point or flat set; its key in the legend, and the handle."""
    if point.extent is not None and point.extent.angles is not None:
        start, end = np.degrees(point.extent.angles)
        for turn in (-360.0, 0.0):
            for axes in (above, below):
                axes.axvspan(start + turn, end + turn, color=RED, alpha=0.18, linewidth=0, zorder=0)
        return "flat", Patch(color=RED, alpha=0.25, label="KKT flat set")
    angle = float(np.degrees(np.arctan2(point.direction[-1], point.direction[-2])))
    color = RED if point.kind == "max" else GREY
    at_edge = abs(abs(angle) - 180.0) < 1e-6
    for x in (-180.0, 180.0) if at_edge else (angle,):
        above.plot(
            x,
            height,
            MARKS.get(point.kind, "D"),
            color=color,
            markersize=5,
            clip_on=False,
            zorder=4,
        )
        below.axvline(
            x, color=color, linewidth=0.8, linestyle="-" if color == RED else ":", zorder=BEHIND
        )
    names = {"max": "KKT maximum", "min": "KKT minimum", "saddle": "KKT saddle"}
    name = names.get(point.kind, "KKT, N = 0")
    marker = MARKS.get(point.kind, "D")
    return name, Line2D([], [], color=color, marker=marker, linestyle="none", label=name)


def _paths(series: RunSeries, axes: Axes, signs: Array, options: FigureOptions) -> bool:
    """A curve a neuron, time downward; whether anything finite was drawn."""
    if not series.has("neuron_angle"):
        return False
    along = series.along(options, thin=True)
    time = along.x
    angles = np.degrees(drawable(along.read("neuron_angle")))
    angles = np.where(has_direction(along, angles.shape), angles, np.nan)
    for k in range(angles.shape[1]):
        when, angle = unwrapped_pieces(time, angles[:, k])
        sign = signs[k] if len(signs) == angles.shape[1] else 1.0
        axes.plot(
            angle,
            when,
            color=ORANGE if sign < 0 else BLUE,
            linewidth=0.8,
            alpha=0.75,
            rasterized=angles.shape[1] >= MANY_LINES,
        )
        seen = np.flatnonzero(np.isfinite(angle) & np.isfinite(when))
        if seen.size:
            at = angle[seen[-1]], when[seen[-1]]
            axes.plot(*at, "o", color=RED, markersize=2.5, clip_on=False, zorder=4)
    axes.set_ylabel(LABELS[options.x])
    shown = time[np.isfinite(time)]
    if options.log_x and len(shown):
        axes.set_yscale("log")
    elif options.x in ("step", "epoch"):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if len(shown) and shown.min() < shown.max():
        axes.set_ylim(float(shown.max()), float(shown.min()))
    return bool(np.isfinite(angles).any() and len(shown))
