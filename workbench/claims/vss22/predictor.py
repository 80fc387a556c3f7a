"""VSS22 Remark 4.1: what a diagonal network's limit is to its predictor β = w_1 ∘ w_2.

Problem (2), min ‖β‖_1 with all margins at least 1, is a linear program: what is no global optimum of it is no
local one either, as a segment leads from it to one, along which margins hold and ‖β‖_1 falls. Its dual is
max Σ λ_i with ‖Σ λ_i y_i x_i‖_∞ ≤ 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linprog

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.exact_network import ExactNetwork
from workbench.claims.lab import Lab
from workbench.claims.vss22 import points
from workbench.claims.vss22.judged import LIMIT_BOUNDS, same_limit
from workbench.claims.vss22.limit import LIMIT, Reached, reach
from workbench.claims.vss22.starts import LOSSES, Start

BOTH = (
    "data.x=[[1.0, 0.5], [0.6, 1.0], [0.9, 0.9]]",
    "data.y=[1.0, 1.0, 1.0]",
    "init.values.w1=[1.0, 0.6]",
    "init.values.w2=[0.8, 0.9]",
)
"""Samples whose shortest β has two coordinates, and a start with none at 0."""
THREE = (
    "data.x=[[1.0, 0.3, -0.2], [0.2, 1.0, 0.4], [0.3, -0.5, 1.2], [0.9, 0.8, 0.9]]",
    "data.y=[1.0, 1.0, 1.0, 1.0]",
    "init.values.w1=[1.0, 0.7, 0.8]",
    "init.values.w2=[0.8, 0.9, 0.6]",
)


@dataclass(frozen=True, eq=False)
class Predictors:
    """Theorem 4.1's start, whose second coordinate stays 0, and starts that end with none at 0."""

    with_zero: list[Reached]
    without: list[Reached]


def experiment(lab: Lab, size: Size) -> tuple[Predictors, Path | None]:
    """One start each; in full both losses, and three coordinates."""
    losses = LOSSES[:1] if size == "quick" else LOSSES
    samples = (BOTH,) if size == "quick" else (BOTH, THREE)
    zero = [
        Start("vss22-4.1", points.first_coordinate, 2.0, (f"loss.kind={loss}",), f"zero, {loss}")
        for loss in losses
    ]
    full = [
        Start(
            "vss22-4.1",
            points.group_norm_optimum,
            settings=(*settings, f"loss.kind={loss}"),
            label=f"{k}, {loss}",
        )
        for k, settings in enumerate(samples)
        for loss in losses
    ]
    first, folder = reach(lab, "VSS22-R4.1", zero)
    return Predictors(first, reach(lab, "VSS22-R4.1", full)[0]), folder


def predictor(reached: Reached) -> Float[np.ndarray, " d"]:
    """β = w_1 ∘ w_2 at θ~; NaN without one."""
    d = reached.network.x.shape[1]
    if reached.polished is None:
        return np.full(d, np.nan)
    return reached.polished.theta[:d] * reached.polished.theta[d:]


def shortest_predictor(network: ExactNetwork) -> Float[np.ndarray, " d"]:
    """An optimum of Problem (2), by linear programming over β⁺, β⁻ ≥ 0; NaN where nothing is feasible."""
    z = network.y[:, None] * network.x
    found = linprog(np.ones(2 * z.shape[1]), A_ub=np.hstack([-z, z]), b_ub=-np.ones(len(z)))
    if found.x is None:
        return np.full(z.shape[1], np.nan)
    both = np.asarray(found.x)
    return both[: z.shape[1]] - both[z.shape[1] :]


def dual_bound(reached: Reached) -> float:
    """Weak duality with the multipliers of (P): Σλ over max{1, ‖Σ λ_i y_i x_i‖_∞}."""
    if reached.polished is None:
        return float("nan")
    network, weights = reached.network, reached.polished.multipliers
    pull = np.abs((weights * network.y) @ network.x).max()
    return float(weights.sum() / max(1.0, pull))


def lacking(network: ExactNetwork, beta: Float[np.ndarray, " d"]) -> float:
    """What the least margin of a predictor lacks of 1."""
    return max(0.0, 1.0 - float((network.y * (network.x @ beta)).min()))


NEAR = 1e-4
"""Part of the way from a predictor to an optimum, where the point near it is taken."""
SHORTER = "4.1: ‖β‖_1 at a point near θ~'s β over that of θ~'s, most"
DISTANCE = "4.1: distance of that point, most"
FEASIBLE = "4.1: its least margin lacks of 1, most"
ZEROS = "4.2 (1): least |w| of a coordinate at θ~"
DUAL = "4.2 (1): ‖β‖_1 over the dual bound by (P)'s multipliers, most"
PROGRAM = "4.2 (1): ‖β‖_1 over the linear program's, most"
HALF = "‖θ~‖² off 2‖β‖_1, most relative"


def measure(found: Predictors) -> Measured:
    """Shorter predictors next to Theorem 4.1's, and the optimality of those without a zero."""
    near, here = [], []
    for reached in found.with_zero:
        beta = predictor(reached)
        best = shortest_predictor(reached.network)
        near.append(beta + NEAR * (best - beta))
        here.append(beta)
    networks = [r.network for r in found.with_zero]
    sizes = [float(np.abs(predictor(r)).sum()) for r in found.without]
    least_sizes = [float(np.abs(shortest_predictor(r.network)).sum()) for r in found.without]
    return Measured(
        {
            **same_limit([*found.with_zero, *found.without]),
            SHORTER: most(
                float(np.abs(a).sum() / np.abs(b).sum()) for a, b in zip(near, here, strict=True)
            ),
            DISTANCE: most(float(np.linalg.norm(a - b)) for a, b in zip(near, here, strict=True)),
            FEASIBLE: most(lacking(n, a) for n, a in zip(networks, near, strict=True)),
            ZEROS: least(map(_least_weight, found.without)),
            DUAL: most(s / dual_bound(r) for s, r in zip(sizes, found.without, strict=True)),
            PROGRAM: most(a / b for a, b in zip(sizes, least_sizes, strict=True)),
            HALF: most(map(_off_half, [*found.with_zero, *found.without])),
        },
        {
            "4.1: ‖β‖_1 over the linear program's": most(
                float(np.abs(b).sum() / np.abs(shortest_predictor(n)).sum())
                for b, n in zip(here, networks, strict=True)
            )
        },
    )


def _least_weight(reached: Reached) -> float:
    return float("nan") if reached.polished is None else float(np.abs(reached.polished.theta).min())


def _off_half(reached: Reached) -> float:
    """Layers of equal size: ‖θ~‖² = 2‖β‖_1 (§2, Gunasekar et al.)."""
    if reached.polished is None:
        return float("nan")
    return abs(reached.polished.norm2 / (2.0 * float(np.abs(predictor(reached)).sum())) - 1.0)


def criterion(measured: Measured) -> tuple[Check, ...]:
    """No local optimum of (2) with a coordinate at 0; a global one with none."""
    bounds: Sequence[Bound] = [
        *LIMIT_BOUNDS,
        (SHORTER, "<", 1.0, ""),
        (DISTANCE, "≤", NEAR * 10.0, ""),
        (FEASIBLE, "≤", 1e-12, ""),
        (ZEROS, "≥", LIMIT, ""),
        (DUAL, "≤", 1.0 + LIMIT, ""),
        (PROGRAM, "≤", 1.0 + LIMIT, ""),
        (HALF, "≤", LIMIT, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="VSS22-R4.1",
        paper="VSS22",
        place="Remark 4.1, problem (2)",
        statement="The predictor of a diagonal linear network of depth 2 can end in no local optimum of "
        "min ‖β‖_1 with margins at least 1 (Theorem 4.1's start), and ends in a global one where no "
        "coordinate ends at 0.",
        method="Preset vss22-4.1, and three samples whose shortest β has two coordinates (full: also three, "
        "and both losses); the linear program, and its dual with the multipliers of (P).",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="optimality",
    ),
)
