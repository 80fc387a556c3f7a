"""KH24 Lemma 5.4: starts that keep their activation pattern, from which the NCF flow is unique.

No training: the flow itself, for neurons in the plane whose KKT points are enumerated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array
from workbench.claims.checks import Bound, judged, least, most, on_circle
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.kh24.ncf import ROUNDS, SETS, Turned, unturned
from workbench.theory.ncf.flow import ncf_flow
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind, activation_slope
from workbench.theory.ncf.result import KktPoint

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
GRID = 60
PAIR = 0.1
"""Distance of two neighbouring starts over γ."""


@dataclass(frozen=True, eq=False)
class Inside:
    """Starts in S around one KKT point, and their flows.

    `pattern`: least (x_i·u(t))(x_i·u*) over η_1²/2 over inputs, times and starts. `spread`: distance of
    two flows over ε e^{‖s‖t}, ε that of their starts, s the slope in the cell of u*. `linear`: largest
    relative difference to the linear flow of that cell.
    """

    pattern: float
    spread: float
    linear: float


def l54_evidence(size: Size, reach: float = 1.0, turned: Turned = unturned) -> list[Inside]:
    """Every KKT point with N > 0 off the kinks, of seeded data; γ times `reach` for S."""
    cases = []
    for seed in range(3 * len(SETS[size])):
        rng = np.random.default_rng([seed, 54])
        x, z = rng.standard_normal((8, 2)), rng.standard_normal(8)
        for leak in (0.0, 0.2):
            ncf = Ncf(x, z, TWO_LAYER, leak)
            found = kkt_points(ncf)
            for point in found.points:
                height = np.abs(x @ point.direction[1:]).min()
                if point.value > 1e-6 and height > 1e-6:
                    cases.append(_inside(ncf, point, reach, turned, rng))
    return cases


def _inside(
    ncf: Ncf,
    point: KktPoint,
    reach: float,
    turned: Turned,
    rng: np.random.Generator,
) -> Inside:
    x, v, u = ncf.x, float(point.direction[0]), point.direction[1:]
    nearest = np.abs(x @ u).min()
    gamma = reach * nearest / (2.0 * np.linalg.norm(x, axis=1).max())
    count = 32
    turns = on_circle(rng.uniform(0.0, 2 * np.pi, count))
    apart = PAIR * gamma
    near = u + (gamma - apart) * np.sqrt(rng.uniform(0.0, 1.0, (count, 1))) * turns
    # Both starts of a pair lie in S: |v| > ‖u‖ by twice their distance.
    size = np.linalg.norm(near, axis=1) * (1.0 + rng.exponential(0.5, count)) + 2.0 * apart
    start = np.column_stack([np.sign(v) * size, near])
    aside = rng.standard_normal(start.shape)
    aside *= apart / np.linalg.norm(aside, axis=1, keepdims=True)
    slope = (activation_slope(x @ u, ncf.leak) * ncf.z) @ x
    speed = float(np.linalg.norm(slope))
    times = np.linspace(0.0, 6.0 / speed, GRID)
    field = turned(ncf.gradient)
    path = ncf_flow(np.vstack([start, start + aside]), field, times, tolerance=1e-7, rounds=ROUNDS)
    w = np.where(path.reached, np.exp(path.log_norm), np.nan)[..., None] * path.direction
    pattern = (w[..., 1:] @ x.T) * (x @ u) / (0.5 * nearest**2)
    linear = _linear_flow(start, slope, times)
    distance = np.linalg.norm(w[:, count:] - w[:, :count], axis=2)
    grown = np.exp(speed * times)[:, None]
    return Inside(
        float(pattern.min()),
        float(np.max(distance / (apart * grown))),
        float(
            np.max(np.linalg.norm(w[:, :count] - linear, axis=2) / np.linalg.norm(linear, axis=2))
        ),
    )


def _linear_flow(start: Array, slope: Array, times: Array) -> Array:
    """(T, B, 3): v̇ = s·u, u̇ = v s in closed form, what the NCF flow is while no x_i·u changes sign."""
    speed = float(np.linalg.norm(slope))
    axis = slope / speed
    v, along = start[:, 0], start[:, 1:] @ axis
    c, h = np.cosh(speed * times)[:, None], np.sinh(speed * times)[:, None]
    u = start[None, :, 1:] + ((c - 1.0) * along + h * v)[..., None] * axis
    return np.concatenate([(c * v + h * along)[..., None], u], axis=2)


def l54_measure(evidence: Sequence[Inside]) -> Measured:
    """The pattern kept, the flow linear, and so continuous in the start."""
    return Measured(
        {
            "(x_i·u)(x_i·u*) over its bound, least": least(case.pattern for case in evidence),
            "off the linear flow of the cell, relative": most(case.linear for case in evidence),
            "distance of flows over ε e^{‖s‖t}": most(case.spread for case in evidence),
        },
        {"KKT points": float(len(evidence))},
    )


def l54_criterion(measured: Measured) -> tuple[Check, ...]:
    """No kink is met, and neighbours stay neighbours."""
    bounds: list[Bound] = [
        ("(x_i·u)(x_i·u*) over its bound, least", "≥", 1.0 - 1e-3, ""),
        ("off the linear flow of the cell, relative", "<", 1e-3, ""),
        ("distance of flows over ε e^{‖s‖t}", "≤", 1.0 + 1e-3, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-L5.4",
        paper="KH24",
        place="Lemma 5.4, Appendix F",
        statement="For two-layer (leaky) ReLU, starts in S near a KKT point with N > 0 off all kinks keep "
        "its activation pattern, so the flow is linear and unique; KH24-F2 shows the contrast.",
        method="Flows from 32 starts in S around every such KKT point of seeded data, against the linear "
        "flow of its cell, and from neighbouring starts.",
        experiment=untrained(l54_evidence),
        measure=l54_measure,
        criterion=l54_criterion,
    ),
)
