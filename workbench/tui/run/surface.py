"""The prediction of a run's network over the plane, computed no more often than its cost allows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float
from workbench.tui.widgets.prediction import PredictionModel

if TYPE_CHECKING:
    from torch import nn

    from workbench.measures.plane import PlaneSurface
    from workbench.run.network import ConfiguredNetwork

GRID = 65
"""Points a side: as many as a tall terminal has half cells."""
COARSE = 25
"""Points a side while a network trains whose full surface takes more than `DEAR` seconds."""
DEAR = 0.1
SURFACE_SHARE = 0.04
"""The surface may take this share of the time between two of its computations."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Predictions over the plane, and of the samples, at a step; `reason` says why there are none."""

    step: int = 0
    first: Float[np.ndarray, " G1"] | None = None
    second: Float[np.ndarray, " G2"] | None = None
    values: Float[np.ndarray, "G2 G1"] | None = None
    outputs: Float[np.ndarray, " n"] | None = None
    reason: str = ""


def has_plane(x: Float[np.ndarray, "n ..."] | None) -> bool:
    """Whether inputs lie in a plane that can be drawn: two numbers each, or two and a constant."""
    from workbench.measures.plane import is_planar

    return x is not None and is_planar(x)


def surface_of(plane: PlaneSurface, step: int, theta: Float[np.ndarray, " P"]) -> Surface:
    """The prediction of a network with one output, with the reason why there is none for others."""
    values = plane.at(theta)
    if values.ndim > 2:
        return Surface(step, reason="a network with several outputs has no one surface to draw")
    return Surface(step, plane.grid.first, plane.grid.second, values, plane.at_samples(theta))


def plane_of(network: nn.Module, x: Array, points: int = GRID) -> PlaneSurface:
    """The grid over the samples, and a copy of the network; `has_plane` says whether there is one."""
    from workbench.measures.plane import PlaneSurface, plane_grid

    inputs = np.asarray(x, dtype=np.float64)
    return PlaneSurface(network, plane_grid(inputs, points, points), inputs)


def _points(surface: Surface) -> int:
    """Points a side; one without values is as fine as any."""
    return GRID if surface.first is None else len(surface.first)


class SurfaceKeeper:
    """Keeps copies of the network with their grids, and the last surface."""

    def __init__(self) -> None:
        self._planes: dict[int, PlaneSurface] = {}
        self._of: ConfiguredNetwork | None = None
        self._kept: Surface | None = None
        self._ready_at = 0.0
        self._dear = False

    def of(
        self, network: ConfiguredNetwork, step: int, theta: Float[np.ndarray, " P"], *, now: bool
    ) -> Surface | None:
        """The surface of a state; the last one while a new one would cost too much.

        `now`: nothing trains that would have to wait, so it is drawn at once, and fine.
        """
        if self._of is not network:
            self._planes, self._of, self._kept, self._dear = {}, network, None, False
        points = COARSE if self._dear and not now else GRID
        kept = self._kept
        early = not now and time.monotonic() < self._ready_at
        same = kept is not None and kept.step == step and _points(kept) >= points
        if kept is not None and (same or early):
            return kept
        if points not in self._planes:
            self._planes[points] = plane_of(network.model, network.dataset.x, points)
        began = time.perf_counter()
        self._kept = surface_of(self._planes[points], step, theta)
        cost = time.perf_counter() - began
        self._dear = self._dear or cost > DEAR
        # The next one is coarse where this one was dear, and takes as much less.
        share = (COARSE / GRID) ** 2 if self._dear and points == GRID else 1.0
        self._ready_at = time.monotonic() + share * cost / SURFACE_SHARE
        return self._kept


def prediction_model(
    surface: Surface | None,
    step: int,
    x: Float[np.ndarray, "n d"] | None,
    y: Float[np.ndarray, " n"] | None,
    *,
    classifies: bool,
) -> PredictionModel:
    """What the picture shows of a surface and the samples; it says its step where that is not `step`.

    `classifies`: labels are classes, so a sample is right or wrong; else the largest residual is told.
    """
    if surface is None or surface.outputs is None or x is None or y is None:
        why = surface.reason if surface is not None else ""
        return PredictionModel(title="prediction Φ(x)", empty=why or "loading the network …")
    wrong = int((surface.outputs * y <= 0).sum())
    worst = f"largest |y − Φ| {float(np.abs(surface.outputs - y).max()):.2g}"
    return PredictionModel(
        title="prediction Φ(x)" + (f" at step {surface.step:,}" if surface.step != step else ""),
        first=surface.first,
        second=surface.second,
        values=surface.values,
        points=x[:, :2],
        labels=y,
        right=surface.outputs * y > 0 if classifies else np.ones(len(y), dtype=bool),
        readout=worst if not classifies else f"{wrong} wrong" if wrong else "",
    )
