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
    from workbench.setup import Setup

GRID = 65
"""Points a side: as many as a tall terminal has half cells."""
SURFACE_SHARE = 0.04
"""The surface may take this share of the time between two of its computations."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Predictions over the plane at a step; `reason` says why there are none."""

    step: int = 0
    first: Float[np.ndarray, " G1"] | None = None
    second: Float[np.ndarray, " G2"] | None = None
    values: Float[np.ndarray, "G2 G1"] | None = None
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
    return Surface(step, plane.grid.first, plane.grid.second, values)


def plane_of(network: nn.Module, x: Array) -> PlaneSurface:
    """The grid over the samples, and a copy of the network; `has_plane` says whether there is one."""
    from workbench.measures.plane import PlaneSurface, plane_grid

    inputs = np.asarray(x, dtype=np.float64)
    return PlaneSurface(network, plane_grid(inputs, GRID, GRID), inputs)


class SurfaceKeeper:
    """Keeps the copy of the network, the grid, and the last surface."""

    def __init__(self) -> None:
        self._plane: PlaneSurface | None = None
        self._of: Setup | None = None
        self._kept: Surface | None = None
        self._ready_at = 0.0

    def of(
        self, setup: Setup, step: int, theta: Float[np.ndarray, " P"], *, now: bool
    ) -> Surface | None:
        """The surface of a state; the last one while a new one would cost too much."""
        if self._plane is None or self._of is not setup:
            self._plane = plane_of(setup.model, setup.dataset.x)
            self._of, self._kept = setup, None
        kept = self._kept
        early = not now and time.monotonic() < self._ready_at
        if kept is not None and (kept.step == step or early):
            return kept
        began = time.perf_counter()
        self._kept = surface_of(self._plane, step, theta)
        self._ready_at = time.monotonic() + (time.perf_counter() - began) / SURFACE_SHARE
        return self._kept


def prediction_model(
    surface: Surface | None,
    step: int,
    x: Float[np.ndarray, "n d"] | None,
    y: Float[np.ndarray, " n"] | None,
) -> PredictionModel:
    """What the picture shows of a surface and the samples; it says its step where that is not `step`."""
    if surface is None or surface.values is None or x is None or y is None:
        why = surface.reason if surface is not None else ""
        return PredictionModel(title="prediction Φ(x)", empty=why or "loading the network …")
    assert surface.first is not None
    assert surface.second is not None
    at = surface.values[
        np.abs(surface.second[:, None] - x[None, :, 1]).argmin(axis=0),
        np.abs(surface.first[:, None] - x[None, :, 0]).argmin(axis=0),
    ]
    wrong = int((at * y <= 0).sum())
    return PredictionModel(
        title="prediction Φ(x)" + (f" at step {surface.step:,}" if surface.step != step else ""),
        first=surface.first,
        second=surface.second,
        values=surface.values,
        points=x[:, :2],
        labels=y,
        right=at * y > 0,
        readout=f"{wrong} wrong" if wrong else "",
    )
