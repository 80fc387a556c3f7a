"""A run from a tiny start and the path that leaves 0 along its KKT point, in one plane (arXiv 2502.15952)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from workbench.arrays import Array, Float
from workbench.errors import BadInput
from workbench.figures.differences import labels_of
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import INK, RED, legend_above, run_colours
from workbench.run.pursued import neuron_weights
from workbench.run.pursuing import Pursuing
from workbench.theory.ncf.escape_path import EscapePath, EscapeProblem, distances

STRAIGHT = 1e-2
"""‖saddle − its part along u*‖/‖saddle‖ below which the path is no curve that a plane shows."""
APART = r"$\sup\|\theta-\mathrm{path}\|\,/\,\|\theta_{\mathrm{saddle}}\|$"
SAME = 1e-3
"""‖u* − u*'‖ up to which two runs leave along the same KKT point."""


@dataclass(frozen=True, eq=False)
class Escape:
    """One run's. `along` (P): u*; `path`: from 0 to the first saddle; `run` (T, P): θ at records up to the
    one nearest to the saddle; `apart`: sup of their distances from the path over ‖θ‖ of the saddle."""

    along: Float[Array, " P"]
    path: EscapePath
    run: Float[Array, "T P"]
    apart: float

    @property
    def straight(self) -> bool:
        """Whether the saddle lies along u*."""
        saddle = self.path.saddle
        across = saddle - (saddle @ self.along) * self.along
        return bool(np.linalg.norm(across) <= STRAIGHT * np.linalg.norm(saddle))

    def plane(self) -> Float[Array, "P 2"]:
        """Unit vectors: u*, and what the saddle has across it; where that is nothing, the direction in which
        the run leaves u* most."""
        saddle = self.path.saddle
        across = saddle - (saddle @ self.along) * self.along
        if self.straight:
            off = self.run - np.outer(self.run @ self.along, self.along)
            across = np.linalg.svd(off, full_matrices=False)[2][0]
        return np.stack([self.along, across / np.linalg.norm(across)], axis=1)


def draw_runs(runs: Sequence[RunSeries], figure: Figure, options: FigureOptions) -> None:
    """Runs and the path of the first of them, projected on the plane of its u* and its first saddle.

    Runs from the same direction, each from a smaller multiple of it, come ever nearer to the path; how near,
    in all weights and not in the plane alone, is in the legend.

    Raises:
        BadInput: a run's network, loss or data has no such path, θ was not recorded, or runs leave along
            other KKT points.
    """
    found = [escape_of(series) for series in runs]
    first = found[0]
    for series, other in zip(runs[1:], found[1:], strict=True):
        same = other.along.shape == first.along.shape
        if not same or np.linalg.norm(other.along - first.along) > SAME:
            raise BadInput(
                f"figure 'path' cannot be drawn: run '{series.name}' leaves 0 along another KKT point than "
                f"'{runs[0].name}'; allowed: runs from multiples of one start."
            )
    plane = first.plane()
    width, height = INCHES[options.size]
    figure.set_size_inches(width, 1.2 * height)
    axes = figure.add_subplot()
    names = labels_of(runs) if len(runs) > 1 else ["run"]
    for one, name, colour in zip(found, names, run_colours(len(runs)), strict=True):
        label = f"{name}: {one.apart:.2g}"
        axes.plot(*(one.run @ plane).T, color=colour, label=label)
        axes.plot(*(one.run[0] @ plane), "o", color=colour, markersize=3)
    axes.plot(*(first.path.theta @ plane).T, color=INK, linestyle="--", linewidth=1.0, label="path")
    axes.plot(*(first.path.saddle @ plane), "D", color=RED, markersize=4.5, label="first saddle")
    axes.set_xlabel(r"$\langle\theta, u_*\rangle$")
    axes.set_ylabel(
        "across, where the run is farthest" if first.straight else "across, to the saddle"
    )
    legend_above(axes, columns=2)
    legend = axes.get_legend()
    assert legend is not None
    legend.set_title(APART)
    legend.get_title().set_fontsize(8)
    legend.set_alignment("left")


def escape_of(series: RunSeries) -> Escape:
    """The path of a run's start, and the run as far as the first saddle.

    Raises:
        BadInput: as `draw_runs`.
    """
    series.require("path", "theta")
    run = series.run
    network = run.network()
    pursuing = Pursuing.of(run.config.for_looking(), series.name, run.dataset)
    theta = series.along(FigureOptions(), thin=True).read("theta").astype(np.float64)
    weights, signs = neuron_weights(network.structure, theta)
    weights = weights.reshape(len(weights), -1)
    try:
        problem = EscapeProblem(pursuing.problem, signs)
    except ValueError:
        raise BadInput(
            f"figure 'path' cannot be drawn: the gradient of run '{series.name}' jumps at kinks; allowed: "
            "'squared-relu', or two layers without a kink."
        ) from None
    if not weights[0].any():
        raise BadInput(f"figure 'path' cannot be drawn: run '{series.name}' begins at 0.")
    along, height = problem.limit(weights[0])
    path = problem.path(along, height) if np.isfinite(height) else None
    if path is None:
        raise BadInput(
            f"figure 'path' cannot be drawn: from the start of run '{series.name}' the correlation "
            "function's flow comes to no KKT point that climbs, or the path along it to no saddle."
        )
    far = np.linalg.norm(weights - path.saddle, axis=1)
    until = int(np.nanargmin(far)) + 1
    reach = float(np.linalg.norm(path.saddle))
    apart = float(distances(weights[:until], path.theta).max()) / reach
    return Escape(along, path, weights[:until], apart)
