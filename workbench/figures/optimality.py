"""Is the KKT point an optimum of (P)? Neurons of θ~ and of a shorter point, and how much shorter (VSS22).

For networks without homogeneity, which have no problem (P), the normalized margin instead (Theorem 6.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.network import network_for
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, GREY, INK, ORANGE, RED, legend_above, panels
from workbench.inspector.optimality import optimality_verdict
from workbench.inspector.state import InspectedState
from workbench.measures.margins import sample_margins
from workbench.record.schema import STEP
from workbench.theory.optimality.verdict import Optimality

COLOURS = {"global": BLUE, "local": BLUE, "not local": RED, "undecided": GREY}
WORDS = {
    "global": "no feasible point is shorter",
    "local": "no feasible point nearby is shorter",
    "not local": "shorter feasible points at any distance",
    "undecided": "neither proved nor disproved",
}
REACH = 1.25
"""Half the side of the compass over the longest arrow."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """The verdict at the last record.

    In the plane the neurons |v_k| w_k of θ~ and of the shortest point that was found, else nothing of
    them; and ‖θ~‖² − ‖θ'‖² against the distance, or ‖θ~‖² beside its bounds.
    """
    state = _last_state(series)
    if state.order is None and not state.loss.regression:
        _falling_margin(series, state, figure, options)
        return
    try:
        found = optimality_verdict(state)
    except BadInput as error:
        raise BadInput(f"figure 'optimality' cannot be drawn: {error}") from error
    width, height = INCHES[options.size]
    arrows = _neurons(state, found)
    if arrows is None:
        (axes,) = panels(figure, options, (1.2,))
    elif options.size == "column":
        figure.set_size_inches(width, 2.3 * height)
        upper, axes = figure.subplots(2, 1, height_ratios=(1.5, 1.0))
        _compass(upper, arrows)
    else:
        figure.set_size_inches(width, 0.95 * height)
        upper, axes = figure.subplots(1, 2, width_ratios=(1.0, 1.2))
        _compass(upper, arrows)
    if found.better is not None and len(found.better.norm2) > 1:
        _gains(axes, found)
    else:
        _bars(axes, found)
    title = f"{found.verdict}: {WORDS[found.verdict]}"
    figure.suptitle(title, fontsize=9, color=COLOURS[found.verdict], x=0.02, ha="left")


def _last_state(series: RunSeries) -> InspectedState:
    """The last record as the inspector sees it; raises BadInput where it cannot be made again."""
    series.require("optimality", "theta")
    network = network_for(series, "optimality")
    step = int(series.reader.read(STEP, slice(-1, None))[0])
    return series.run.state(step, network=network)


# --- neurons in the plane --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Arrows:
    """|v_k| w_k (H, 2) of θ~ and of a shorter point, and the samples' directions (n, 2)."""

    limit: Float[Array, "H 2"]
    shorter: Float[Array, "H 2"] | None
    samples: Float[Array, "n 2"]


def _neurons(state: InspectedState, found: Optimality) -> _Arrows | None:
    """None where there are no neurons in the plane."""
    neurons = state.structure.neurons
    if neurons is None or state.structure.incoming(state.theta).shape[-1] != 2:
        return None
    x = state.x.reshape(len(state.x), -1)
    samples = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
    shorter = None
    known = found.far or found.better
    if known is not None:
        best = int(np.argmin(known.norm2))
        shorter = _contribution(state, np.asarray(known.theta[best]))
    return _Arrows(_contribution(state, found.theta), shorter, samples)


def _contribution(state: InspectedState, theta: Float[Array, " P"]) -> Float[Array, "H 2"]:
    u = state.structure.incoming(theta)
    v = state.structure.outgoing(theta)
    return np.asarray(u if v is None else np.abs(v)[:, None] * u)


def _compass(axes: Axes, arrows: _Arrows) -> None:
    """Arrows from the middle; a neuron at 0 is a ring there. Samples on the rim."""
    both = [arrows.limit] + ([arrows.shorter] if arrows.shorter is not None else [])
    longest = max(float(np.linalg.norm(a, axis=1).max(initial=0.0)) for a in both) or 1.0
    reach = REACH * longest
    rim = np.linspace(0.0, 2.0 * np.pi, 361)
    axes.plot(1.12 * longest * np.cos(rim), 1.12 * longest * np.sin(rim), color=GREY, linewidth=0.5)
    where = 1.12 * longest * arrows.samples
    axes.plot(where[:, 0], where[:, 1], "o", color=INK, markersize=3.5)
    handles = [Line2D([], [], color=INK, marker="o", linestyle="", markersize=3.5, label="samples")]
    for ends, color, label, size in (
        (arrows.limit, BLUE, r"$|v_k|\,w_k$ of $\tilde\theta$", 2.2),
        (arrows.shorter, ORANGE, r"of the shorter $\theta'$", 1.2),
    ):
        if ends is None:
            continue
        _arrows(axes, ends, color, size, 1e-6 * longest)
        handles.append(Line2D([], [], color=color, linewidth=size, label=label))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_axis_off()
    legend_above(axes, handles, columns=3)


def _arrows(axes: Axes, ends: Float[Array, "H 2"], color: str, size: float, none: float) -> None:
    for x, y in ends:
        if np.hypot(x, y) <= none:
            axes.plot(0.0, 0.0, "o", markersize=4.0 + size, markerfacecolor="none", color=color)
            continue
        axes.annotate(
            "",
            xy=(x, y),
            xytext=(0.0, 0.0),
            arrowprops={
                "arrowstyle": "-|>",
                "color": color,
                "linewidth": size,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


# --- how much shorter -------------------------------------------------------------------------------


def _gains(axes: Axes, found: Optimality) -> None:
    """‖θ~‖² − ‖θ'‖² of every point of the family against its distance, both logarithmic."""
    assert found.better is not None
    distance = np.asarray(found.better.distances, dtype=float)
    gain = found.norm2 - np.asarray(found.better.norm2, dtype=float)
    order = np.argsort(distance)
    axes.loglog(distance[order], gain[order], "o-", color=ORANGE, markersize=3.5)
    if found.far is not None:
        axes.loglog(
            found.far.distances,
            found.norm2 - np.asarray(found.far.norm2),
            "D",
            color=ORANGE,
            markersize=4.5,
        )
    axes.set_xlabel(r"distance $\|\theta'-\tilde\theta\|$")
    axes.set_ylabel(r"$\|\tilde\theta\|^2-\|\theta'\|^2$")


def _bars(axes: Axes, found: Optimality) -> None:
    """‖θ~‖², the shortest feasible point known, and the lower bound."""
    rows = [(r"$\|\tilde\theta\|^2$", found.norm2, BLUE)]
    if found.better is not None:
        rows.append((r"shorter $\|\theta'\|^2$", float(np.min(found.better.norm2)), ORANGE))
    if found.bound > 0:
        rows.append(("lower bound", found.bound, GREY))
    for place, (_, value, color) in enumerate(rows):
        axes.barh(-place, value, color=color, height=0.6)
        axes.annotate(f" {value:.6g}", (value, -place), va="center", fontsize=8)
    axes.set_yticks([-k for k in range(len(rows))], [name for name, _, _ in rows])
    axes.set_xlim(0.0, 1.25 * max(value for _, value, _ in rows))
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(r"$\|\theta\|^2$ at least margin 1")


# --- without homogeneity -----------------------------------------------------------------------------


def _falling_margin(
    series: RunSeries, state: InspectedState, figure: Figure, options: FigureOptions
) -> None:
    """γ(θ) = min_i y_i Φ(θ/‖θ‖; x_i) of VSS22 §6 at the recorded θ; with an output a class, min_i q_i."""
    (axes,) = panels(figure, options, (1.2,))
    along = series.along(options, thin=True)
    theta = along.read("theta").astype(np.float64)
    size = np.linalg.norm(theta, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = theta / size
    margin = [
        float(sample_margins(state.risk.outputs(row)[None], state.y).min())
        if np.isfinite(row).all()
        else np.nan
        for row in unit
    ]
    axes.plot(along.x, margin, color=BLUE)
    of_classes = r"$\gamma=\min_i q_i(\theta/\|\theta\|)$"
    of_signs = r"$\gamma=\min_i y_i\,\Phi(\theta/\|\theta\|;x_i)$"
    axes.set_ylabel(of_classes if state.outputs.ndim == 2 else of_signs)
    series.put_x_axis(axes, options)
