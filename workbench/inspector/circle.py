"""The correlation function on the circle, for networks of separable neurons on inputs in the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.arrays import Float
from workbench.models.structure import Neurons
from workbench.theory.ncf.neuron import NeuronKind, activation

PointKind = Literal["max", "saddle", "min", "flat"]
RESOLUTION = 720


@dataclass(frozen=True)
class CirclePoint:
    """A KKT point as an angle in (−π, π], with N there; `sign` of the neurons that may head to it."""

    angle: float
    value: float
    kind: PointKind
    sign: float


@dataclass(frozen=True, eq=False)
class Circle:
    """N over the angle, and its KKT points.

    `value` is N(u) for a unit u of a squared-ReLU neuron with sign +1, and max_v N(v, u) = ½ G(u) over
    balanced unit neurons, G(u) = Σ z_i σ(x_i·u), for two-layer ReLU. `arcs` are flat sets.
    """

    angle: Float[np.ndarray, " k"]
    value: Float[np.ndarray, " k"]
    points: tuple[CirclePoint, ...]
    arcs: tuple[tuple[float, float], ...]
    complete: bool


def circle_reason(neurons: Neurons | None, d: int, single_output: bool) -> str | None:
    """Why there is no circle to draw, or None when there is."""
    if neurons is None:
        return "this network declares no neurons"
    if neurons.apart:
        return "every coordinate has a correlation function of its own"
    if d != 2:
        return f"inputs have {d} dimensions; the circle is drawn for 2"
    if neurons.ncf is None:
        return "neurons of this network are not separable"
    if not single_output:
        return "one residual an output: drawn for a single output"
    return None


def circle_of(x: Float[np.ndarray, "n 2"], z: Float[np.ndarray, " n"], neurons: Neurons) -> Circle:
    """The landscape of z on the circle and all its KKT points, exactly (theory/ncf/kkt_circle.py)."""
    # Loads scipy, which takes as long as all else that the first paint of a screen needs.
    from workbench.theory.ncf.kkt import kkt_points
    from workbench.theory.ncf.merged_lines import out_of_range
    from workbench.theory.ncf.ncf import Ncf

    assert neurons.ncf is not None
    kind = NeuronKind(neurons.ncf)
    angle = np.linspace(-np.pi, np.pi, RESOLUTION + 1)
    u = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    s = activation(u @ x.T, neurons.leak)
    value = s**2 @ z if kind is NeuronKind.SQUARED_RELU else 0.5 * (s @ z)
    if out_of_range(x, z) is not None:
        return Circle(angle, value, (), (), False)
    found = kkt_points(Ncf(x, z, kind, neurons.leak))
    points, arcs = [], []
    for point in found.points:
        if point.extent is not None and point.extent.angles is not None:
            arcs.append(point.extent.angles)
            continue
        u_point = point.direction[-2:]
        if not np.hypot(*u_point) > 1e-9:
            continue
        sign = 1.0 if kind is NeuronKind.SQUARED_RELU else float(np.sign(point.direction[0]))
        at = float(np.arctan2(u_point[1], u_point[0]))
        points.append(CirclePoint(at, point.value, point.kind, sign))
    return Circle(angle, value, tuple(points), tuple(arcs), found.complete)
