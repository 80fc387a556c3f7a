"""KH24 Lemma H.1: KKT points of two-layer neurons are balanced.

No training: the enumerations of `workbench.theory` against the paper's formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, degrees_between, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.kh24.points import EXACT, LEAKS, TRIALS
from workbench.theory.ncf.certificate import certify
from workbench.theory.ncf.flow import ncf_flow
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind, activation_slope
from workbench.theory.ncf.sliding import SlidingField

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
GROWN = 9.0
"""log of the growth after which a flow's imbalance |v² − ‖u‖²|/‖w‖² is below e^{−18}."""
FLOW_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Balance:
    """One data set: enumerated points, limits of the flow from unbalanced starts, random weights.

    `points` (K, 3) with their `values`; `limits` (L, 3), directions that the flow of N or of −N has
    grown along by `GROWN`; `random` (R, 3) unit weights.
    """

    ncf: Ncf
    points: Float[np.ndarray, "K 3"]
    values: Float[np.ndarray, " K"]
    limits: Float[np.ndarray, "L 3"]
    random: Float[np.ndarray, "R 3"]


def h1_evidence(size: Size) -> list[Balance]:
    """Gaussian data in the plane; unbalanced Gaussian starts, half of them under −z."""
    return [_balance(seed, leak) for seed in TRIALS[size] for leak in LEAKS]


def _balance(seed: int, leak: float) -> Balance:
    rng = np.random.default_rng([seed, 7])
    x, z = rng.standard_normal((10, 2)), rng.standard_normal(10)
    ncf = Ncf(x, z, TWO_LAYER, leak)
    found = kkt_points(ncf)
    starts, limits = rng.standard_normal((8, 3)), []
    top = float(np.abs(found.values).max())
    for sign in (1.0, -1.0):
        lines = Ncf(x, sign * z, TWO_LAYER, leak).merged_lines
        field = SlidingField(lines, 3 * FLOW_TOLERANCE)
        time = np.array([3.0 * GROWN / top])
        path = ncf_flow(starts, field.gradient, time, tolerance=FLOW_TOLERANCE, rounds=20_000)
        grown = path.reached[-1] & (path.log_norm[-1] - np.log(_norms(starts)) > GROWN)
        limits.append(path.direction[-1][grown])
    random = rng.standard_normal((256, 3))
    return Balance(
        ncf,
        found.directions,
        found.values,
        np.vstack(limits),
        random / _norms(random)[:, None],
    )


def _norms(w: Array) -> Array:
    return np.asarray(np.linalg.norm(w, axis=1))


def h1_measure(evidence: Sequence[Balance]) -> Measured:
    """Balance of what was found by enumeration and by flow; that nothing unbalanced is a KKT point."""
    found = [c.points[np.abs(c.values) > EXACT * c.ncf.merged_lines.scale] for c in evidence]
    return Measured(
        {
            "||v| − 1/√2|, enumerated": most(_imbalance(w) for w in found),
            "||v| − 1/√2|, limits of the flow": most(_imbalance(c.limits) for c in evidence),
            "residual over |N||1 − 2v²|/|v|, least": least(_least_residual(c) for c in evidence),
            "√2u off the KKT points of ±z·σ(Xu)": most(
                _one_layer_gap(c, w) for c, w in zip(evidence, found, strict=True)
            ),
        },
        {
            "points enumerated": float(sum(map(len, found))),
            "limits of the flow": float(sum(len(c.limits) for c in evidence)),
            "flow's limits off the enumerated, degrees": most(
                _limit_gap(c, w) for c, w in zip(evidence, found, strict=True)
            ),
        },
    )


def _imbalance(w: Array) -> float:
    """Largest ||v| − 1/√2| of unit rows (v, u)."""
    return most(np.abs(np.abs(w[:, 0]) - np.sqrt(0.5)))


def _least_residual(case: Balance) -> float:
    """min over random unit weights of dist(λw, ∂N(w)) over its bound from Euler, v·∂_v N = N."""
    proof = certify(case.random, case.ncf)
    v = np.abs(case.random[:, 0])
    bound = np.abs(proof.value) * np.abs(1.0 - 2.0 * v**2) / v
    return least(proof.residual * case.ncf.merged_lines.scale / bound)


def _one_layer_gap(case: Balance, w: Array) -> float:
    """How far 0 lies from [g'(θ−), g'(θ+)] at the angle of u, over the scale of the data."""
    angle = np.arctan2(w[:, 2], w[:, 1])
    sides = np.stack([_slope(case, angle - 1e-8), _slope(case, angle + 1e-8)])
    low, high = sides.min(axis=0), sides.max(axis=0)
    return most(np.maximum(np.maximum(low, -high), 0.0) / case.ncf.merged_lines.scale)


def _slope(case: Balance, angle: Array) -> Array:
    """dg/dθ of g(u) = Σ z_i σ(x_i·u) at u = (cos θ, sin θ)."""
    x = case.ncf.x
    u = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    turn = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    return np.asarray((activation_slope(u @ x.T, case.ncf.leak) * (turn @ x.T)) @ case.ncf.z)


def _limit_gap(case: Balance, found: Array) -> float:
    """Largest angle between a limit of the flow and the nearest enumerated point with N ≠ 0."""
    return most(degrees_between(case.limits[:, None], found[None]).min(axis=1))


def h1_criterion(measured: Measured) -> tuple[Check, ...]:
    """Balanced to rounding where enumerated, to the integrator's tolerance where flowed to."""
    bounds: list[Bound] = [
        ("||v| − 1/√2|, enumerated", "<", EXACT, ""),
        ("||v| − 1/√2|, limits of the flow", "<", 10 * FLOW_TOLERANCE, ""),
        ("residual over |N||1 − 2v²|/|v|, least", "≥", 1.0 - EXACT, ""),
        ("√2u off the KKT points of ±z·σ(Xu)", "<", EXACT, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-H1",
        paper="KH24",
        place="Lemma H.1",
        statement="Every KKT point of a two-layer (leaky) ReLU neuron's constrained NCF with N ≠ 0 has "
        "|v| = ‖u‖ = 1/√2, and √2u is a KKT point of z·σ(Xu) on the sphere.",
        method="Enumerated points; limits of the NCF flow of N and −N from unbalanced starts, which "
        "know nothing of the lemma; and the KKT residual of random unbalanced weights, bounded below "
        "by Euler's identity.",
        experiment=untrained(h1_evidence),
        measure=h1_measure,
        criterion=h1_criterion,
    ),
)
