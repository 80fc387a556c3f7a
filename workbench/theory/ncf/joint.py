"""KKT points of any positively homogeneous function on the sphere, from seeded ascents.

For models that do not separate into neurons (KH24 §5: any two-homogeneous network): the function is
known by its value and one Clarke selection of its gradient, batched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.flow import Gradient
from workbench.theory.ncf.neuron import ORDER
from workbench.theory.ncf.orbits import CountedGradient, Invariants, Value, groups_of_ends, orbit_of
from workbench.theory.ncf.result import KktPoint, KktSet, PointKind, by_value, largest_residual
from workbench.theory.numerics.min_norm import least_norm
from workbench.theory.numerics.outcome import End, Outcome

PROBES = 4_096
"""Most points around an end at which it is asked whether that is a top: 32 a dimension up to 128."""


def probes_around(p: int) -> int:
    """How many that are for θ of p numbers."""
    return min(32 * p, PROBES)


def stationarity(
    w: Float[Array, " p"],
    gradient: Gradient,
    *,
    radius: float = 1e-7,
    samples: int = 64,
    seed: int = 0,
) -> float:
    """dist(λw, hull of gradients within `radius` of w), λ = w·∇N(w), in the units of the gradient.

    Near a kink one gradient says little; the hull of sampled ones approximates Clarke's set from
    inside, up to `radius` (Goldstein's subdifferential). Divide by a bound on ‖∇N‖ to compare.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(samples, len(w)))
    near = w + radius * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    rows = gradient(np.vstack([w[None], near]))
    multiplier = float(rows[0] @ w)
    return float(np.linalg.norm(least_norm(rows - multiplier * w).element))


def kkt_joint(
    value: Value,
    gradient: Gradient,
    p: int,
    *,
    order: int = ORDER,
    starts: int = 256,
    seed: int = 0,
    rounds: int = 2000,
    keep: int = 64,
    invariants: Invariants | None = None,
    cancel: Callable[[], bool] | None = None,
) -> KktSet:
    """Local maxima of N on the sphere that ascents from uniform seeded starts reach.

    Each ascent takes steps along the tangent gradient, longer after a success and shorter after a
    failure, so N never falls. `basin`: share of starts; `residual`: `stationarity` over the largest
    gradient met. A point is called "max" when no probe around it is higher, else "saddle".
    `complete` is always False. With `invariants`, numbers that no symmetry of N moves, ends that agree in
    them and in N are one entry, with its `orbit`.

    Raises:
        ValueError: p or starts < 1.
    """
    if p < 1 or starts < 1:
        raise ValueError(f"p and starts must be at least 1, got {p} and {starts}")
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(starts, p))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    u, height, scale, outcome = _ascend(value, gradient, u, rounds, cancel)
    points: list[KktPoint] = []
    groups = groups_of_ends(u, height, invariants, keep)
    curving = CountedGradient(gradient, 0.25 * starts * rounds)
    if not outcome.cancelled:
        for group in groups:
            head = group.rows[0]
            w, n = u[head], float(height[head])
            residual = stationarity(w, gradient, seed=seed) / scale
            kind: PointKind = "max" if _is_top(value, w, n, scale, rng) else "saddle"
            orbit = None
            if invariants is not None:
                orbit = orbit_of(u[group.rows], group.members, value, curving, rng)
            share = len(group.rows) / starts
            points.append(KktPoint(w, n, order * n, residual, kind, share, orbit=orbit))
    reason = f"{starts:,} seeded starts; what they missed is not known"
    if outcome.cancelled:
        reason = outcome.why_not
    outcome = replace(outcome, iterations=starts, residual=largest_residual(points))
    statistics = {"starts": float(starts), "distinct": float(len(groups))}
    return KktSet(by_value(points), "multistart", False, reason, None, p, outcome, statistics)


def _ascend(
    value: Value,
    gradient: Gradient,
    u: Float[Array, "B p"],
    rounds: int,
    cancel: Callable[[], bool] | None,
) -> tuple[Float[Array, "B p"], Float[Array, " B"], float, Outcome]:
    """(ends, N there, largest gradient met, how it ended after how many rounds)."""
    height, slope = value(u), gradient(u)
    scale = max(float(np.linalg.norm(slope, axis=1).max()), 1e-300)
    step = np.full(len(u), 0.5 / scale)
    live = np.arange(len(u))
    taken, end = 0, End.OUT_OF_STEPS
    while taken < rounds:
        if cancel is not None and cancel():
            return u, height, scale, Outcome(End.CANCELLED, taken)
        taken += 1
        tangent = slope[live] - np.sum(slope[live] * u[live], axis=1, keepdims=True) * u[live]
        size = np.linalg.norm(tangent, axis=1)
        moving = (size > 1e-10 * scale) & (step[live] * size > 1e-12)
        live, tangent, size = live[moving], tangent[moving], size[moving]
        if len(live) == 0:
            end = End.CONVERGED
            break
        trial = u[live] + step[live, None] * tangent
        trial /= np.linalg.norm(trial, axis=1, keepdims=True)
        reached = value(trial)
        rises = reached >= height[live] + 0.1 * step[live] * size**2
        step[live] *= np.where(rises, 1.5, 0.4)
        won = live[rises]
        u[won], height[won] = trial[rises], reached[rises]
        if len(won):
            slope[won] = gradient(u[won])
            scale = max(scale, float(np.linalg.norm(slope[won], axis=1).max()))
    return u, height, scale, Outcome(end, taken)


def _is_top(
    value: Value, w: Float[Array, " p"], height: float, scale: float, rng: np.random.Generator
) -> bool:
    """Whether no probe at distance 1e-4 is higher than w by more than rounding."""
    noise = rng.normal(size=(probes_around(len(w)), len(w)))
    near = w + 1e-4 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    return bool(value(near).max() <= height + 1e-11 * scale)
