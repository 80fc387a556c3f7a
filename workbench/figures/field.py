"""The gradient field of the NCF on the plane of one neuron's two weights (KH24 Fig. 2)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.ncf import Landscape, landscape_of, last_signs
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, GREY, INK, ORANGE, RED, legend_above
from workbench.theory.ncf.flow import ncf_flow
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.neuron import NeuronKind

FRAME = 1.0
"""Half the side of the square that is drawn."""
START = 0.35
"""Radius at which neurons begin: the NCF flow is the same at every scale, w/δ → u (Lemma 5.2)."""
ARROWS = 19
SHADES = LinearSegmentedColormap.from_list("ncf", [ORANGE, "white", BLUE])
MOST_PATHS = 64


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """∇N of the residual that training began with, N as shading, KKT rays, and the neurons' ways.

    The plane is u for squared ReLU with two inputs, and (v, u) for two-layer ReLU with one. Arrows
    have one length. Where the flow branches, the line is dashed and flows leave it on either side.
    """
    width, height = INCHES[options.size]
    side = min(width, 1.45 * height)
    figure.set_size_inches(width, side * 1.08)
    axes = figure.add_subplot()
    found = landscape_of(series, "field")
    if found is None:
        axes.text(
            0.5,
            0.5,
            "no finite values",
            transform=axes.transAxes,
            ha="center",
            color=GREY,
            style="italic",
        )
        return
    two_layer = found.neurons.kind is NeuronKind.TWO_LAYER_RELU
    d = found.x.shape[1]
    if d + two_layer != 2:
        raise BadInput(
            "figure 'field' cannot be drawn: it shows neurons of two weights, squared ReLU on two "
            f"inputs or two-layer ReLU on one, and those of run '{series.name}' have {d + two_layer}."
        )
    _shading(axes, found)
    _arrows(axes, found)
    handles = [*_rays(axes, found), *_branches(axes, found), *_paths(series, axes, found)]
    axes.set_xlim(-FRAME, FRAME)
    axes.set_ylim(-FRAME, FRAME)
    axes.set_aspect("equal")
    axes.set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    axes.set_yticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    names = ("v", "u") if two_layer else ("u_1", "u_2")
    axes.set_xlabel(rf"${names[0]}/\delta$")
    axes.set_ylabel(rf"${names[1]}/\delta$")
    legend_above(axes, handles, columns=3 if options.size == "column" else 5)


def _plane(count: int, reach: float) -> Float[np.ndarray, "B 2"]:
    """Centres of a count × count grid on the square."""
    line = np.linspace(-reach, reach, count)
    first, second = np.meshgrid(line, line)
    return np.column_stack([first.ravel(), second.ravel()])


def _shading(axes: Axes, found: Landscape) -> None:
    """N as a faint colour, 0 white."""
    count = 201
    w = _plane(count, FRAME)
    value = found.ncf.value(w)
    value = value.reshape(count, count)
    top = float(np.abs(value).max()) or 1.0
    axes.imshow(
        value,
        origin="lower",
        extent=(-FRAME, FRAME, -FRAME, FRAME),
        cmap=SHADES,
        vmin=-1.6 * top,
        vmax=1.6 * top,
        interpolation="bilinear",
        alpha=0.6,
        zorder=0,
    )


def _arrows(axes: Axes, found: Landscape) -> None:
    """Directions of the gradient, off the axes so that no arrow stands on a kink."""
    w = _plane(ARROWS - 1, FRAME * (ARROWS - 2) / (ARROWS - 1))
    slope = found.ncf.gradient(w)
    size = np.linalg.norm(slope, axis=1, keepdims=True)
    arrow = np.divide(slope, size, out=np.zeros_like(slope), where=size > 0)
    axes.quiver(
        w[:, 0],
        w[:, 1],
        arrow[:, 0],
        arrow[:, 1],
        angles="xy",
        scale=1.35 * ARROWS,
        width=0.0028,
        headwidth=4,
        pivot="middle",
        color=GREY,
        zorder=1,
    )


def _rays(axes: Axes, found: Landscape) -> list[Line2D]:
    """Rays of the non-negative KKT points; the legend's handles."""
    points = kkt_points(found.ncf).points
    floor = 1e-12 * float(np.abs(found.z).sum())
    rays = [p for p in points if p.value > floor and p.kind != "flat"]
    for point in rays:
        end = 2.0 * FRAME * point.direction
        dashes = "-" if point.kind == "max" else ":"
        axes.plot([0, end[0]], [0, end[1]], color=RED, linestyle=dashes, linewidth=1.0, zorder=2)
    handles = []
    if any(p.kind == "max" for p in rays):
        handles.append(Line2D([], [], color=RED, linewidth=1.0, label="KKT maximum"))
    if any(p.kind != "max" for p in rays):
        handles.append(Line2D([], [], color=RED, linewidth=1.0, linestyle=":", label="other KKT"))
    return handles


def _branches(axes: Axes, found: Landscape) -> list[Line2D]:
    """The half line u = 0 of two-layer ReLU where v times the kink is convex, and flows from it."""
    if found.neurons.kind is not NeuronKind.TWO_LAYER_RELU:
        return []
    lines = found.ncf.merged_lines
    jump = float(np.sum(lines.plus - lines.minus))
    if jump == 0.0:
        return []
    side = float(np.sign(jump))
    axes.plot([0, side * FRAME], [0, 0], color=INK, linestyle="--", linewidth=1.3, zorder=3)
    starts = np.array([[side * r, s * 1e-9] for r in (0.2, 0.5, 0.8) for s in (1.0, -1.0)])
    for path in _flows(found, starts):
        axes.plot(path[:, 0], path[:, 1], color=INK, linewidth=0.9, zorder=3)
    return [
        Line2D([], [], color=INK, linestyle="--", label="branching line"),
        Line2D([], [], color=INK, linewidth=0.9, label="its branches"),
    ]


def _flows(found: Landscape, starts: Float[np.ndarray, "B 2"]) -> list[Array]:
    """Flows from starts until well outside the square, (k, 2) each."""
    speed = float(np.linalg.norm(found.ncf.gradient(starts), axis=1).max()) or 1.0
    radius = float(np.linalg.norm(starts, axis=1).min())
    times = np.linspace(0.0, 4.0 * max(1.0, np.log(2.0 * FRAME / radius)) / speed, 200)
    path = ncf_flow(starts, found.ncf.gradient, times)
    w = path.direction * np.exp(np.minimum(path.log_norm, 3.0))[..., None]
    return [np.where(path.log_norm[:, [b]] < 3.0, w[:, b], np.nan) for b in range(len(starts))]


def _paths(series: RunSeries, axes: Axes, found: Landscape) -> list[Line2D]:
    """Recorded ways of the neurons, each scaled so that it begins at `START`; legend's handles."""
    weights = _weights(series, found)
    if weights is None:
        return []
    first = np.linalg.norm(weights[0], axis=1)
    signs = np.sign(last_signs(series))
    shown = []
    for k in range(min(weights.shape[1], MOST_PATHS)):
        if not (np.isfinite(first[k]) and first[k] > 0):
            continue
        path = START * weights[:, k] / first[k]
        outside = np.flatnonzero(~(np.abs(path).max(axis=1) < 1.5 * FRAME))
        path = path[: int(outside[0]) + 1] if outside.size else path
        squared = found.neurons.kind is NeuronKind.SQUARED_RELU
        color = ORANGE if squared and len(signs) == weights.shape[1] and signs[k] < 0 else BLUE
        shown.append(color)
        axes.plot(path[:, 0], path[:, 1], color=color, linewidth=1.2, zorder=4)
        axes.plot(path[0, 0], path[0, 1], "o", color=color, markersize=2.8, zorder=4)
    names = ((BLUE, "neurons"), (ORANGE, "neurons, output −"))
    return [Line2D([], [], color=c, label=n) for c, n in names if c in shown]


def _weights(series: RunSeries, found: Landscape) -> Float[np.ndarray, "K H 2"] | None:
    """The neurons' two weights at the thinned records, (v, u) or (u_1, u_2); None if not recorded."""
    width, d = found.neurons.u.shape
    along = series.along(FigureOptions(), thin=True)
    if series.has("theta"):
        theta = along.read("theta")
        u = theta[:, : width * d].reshape(len(theta), width, d)
        if found.neurons.kind is NeuronKind.SQUARED_RELU:
            return u
        return np.concatenate([theta[:, width * d :, None], u], axis=2)
    if not series.has("neuron_direction"):
        return None
    return np.asarray(along.read("neuron_norm")[..., None] * along.read("neuron_direction"))
