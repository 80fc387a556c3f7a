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
from workbench.theory.ncf.orbits import (
    CountedGradient,
    Invariants,
    Value,
    groups_of_ends,
    orbit_of,
    polished,
)
from workbench.theory.ncf.result import (
    KktPoint,
    KktSet,
    Orbit,
    PointKind,
    by_value,
    largest_residual,
)
from workbench.theory.numerics.min_norm import least_norm
from workbench.theory.numerics.outcome import End, Outcome

PROBES = 4_096
"""Most points around an end at which it is asked whether that is a top: 32 a dimension up to 128."""
SETTLED = 1e-6
"""Largest residual of an end that counts as a KKT point."""
DEAD = 1e-12
"""‖∂N‖ over the largest met, up to which it is 0."""
SLIDE = (0.05, 1e-4, 200)
"""First and last length, and number, of the steps by which an end that hangs on a kink slides along it."""


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
    failure, so N never falls; one that hangs on a kink slides along it and goes on. Newton steps polish the
    ends where N has a Hessian. `basin`: share of starts; `residual`: `stationarity` over the largest
    gradient met. A point is called "max" when no probe around it is higher, else "saddle". Ends that have
    not come to rest (`SETTLED`) are left out, and counted in `reason`, unless they are the highest; those
    with ∂N = 0 are one "flat" entry. `complete` is always False. With `invariants`, numbers that no symmetry
    of N moves, ends that agree in them and in N are one entry, with its `orbit`.

    Raises:
        ValueError: p or starts < 1.
    """
    if p < 1 or starts < 1:
        raise ValueError(f"p and starts must be at least 1, got {p} and {starts}")
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(starts, p))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    u, height, scale, outcome = _ascend(value, gradient, u, rounds, cancel)
    if not outcome.cancelled:
        outcome = _slide(value, gradient, u, height, scale, rounds, seed, cancel) or outcome
    points: list[KktPoint] = []
    dead, restless, distinct = np.zeros(starts, dtype=bool), 0, 0
    if not outcome.cancelled:
        dead = np.linalg.norm(gradient(u), axis=1) <= DEAD * scale
        alive = np.flatnonzero(~dead)
        groups = groups_of_ends(u[alive], height[alive], invariants, keep)
        distinct = len(groups) + bool(dead.any())
        curving = CountedGradient(gradient, 0.25 * starts * rounds)
        for group in groups:
            rows = alive[group.rows]
            w, n = u[rows[0]], float(height[rows[0]])
            if (better := polished(w, value, curving)) is not None:
                w, n = better
                u[rows[0]] = w
            residual = stationarity(w, gradient, seed=seed) / scale
            if residual > SETTLED and any(point.residual <= SETTLED for point in points):
                restless += len(rows)
                continue
            kind: PointKind = "max" if _is_top(value, w, n, scale, rng) else "saddle"
            orbit = None
            if invariants is not None:
                orbit = orbit_of(u[rows], group.members, value, curving, rng)
            share = len(rows) / starts
            points.append(KktPoint(w, n, order * n, residual, kind, share, orbit=orbit))
    if dead.any():
        points.append(_dead(u[dead], dead.mean(), invariants is not None))
    rest = f", {restless:,} of which did not come to rest" if restless else ""
    reason = f"{starts:,} seeded starts{rest}; what they missed is not known"
    if outcome.cancelled:
        reason = outcome.why_not
    outcome = replace(outcome, iterations=starts, residual=largest_residual(points))
    statistics = {"starts": float(starts), "distinct": float(distinct)}
    return KktSet(by_value(points), "multistart", False, reason, None, p, outcome, statistics)


def ascended(
    value: Value, gradient: Gradient, w: Float[Array, " p"], rounds: int = 300
) -> tuple[Float[Array, " p"], float]:
    """(end, N there) of the ascent from a unit w."""
    u, height, _, _ = _ascend(value, gradient, w[None].copy(), rounds, None)
    return u[0], float(height[0])


def _dead(u: Float[Array, "k p"], share: float, symmetric: bool) -> KktPoint:
    """Ends with ∂N = 0, as where all units are off: one entry for all of them."""
    orbit = Orbit(None, len(u), "∂N is 0 there and around") if symmetric else None
    return KktPoint(u[0], 0.0, 0.0, 0.0, "flat", float(share), orbit=orbit)


def _slide(
    value: Value,
    gradient: Gradient,
    u: Float[Array, "B p"],
    height: Float[Array, " B"],
    scale: float,
    rounds: int,
    seed: int,
    cancel: Callable[[], bool] | None,
) -> Outcome | None:
    """Ends that hang on a kink and are no KKT points slide along it, by steps of a given length as
    subgradient methods take them, and ascend again; u and height are changed where that is higher."""
    slope = gradient(u)
    tangent = slope - np.sum(slope * u, axis=1, keepdims=True) * u
    hang = np.flatnonzero(np.linalg.norm(tangent, axis=1) > 1e-8 * scale)
    far = [k for k in hang if stationarity(u[k], gradient, seed=seed) > SETTLED * scale]
    if not far:
        return None
    moved = u[far]
    first, last, steps = SLIDE
    for length in np.geomspace(first, last, steps):
        slope = gradient(moved)
        size = np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-300)
        moved = moved + length * slope / size
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    moved, reached, _, outcome = _ascend(value, gradient, moved, rounds, cancel)
    higher = reached > height[far]
    at = np.array(far)[higher]
    u[at], height[at] = moved[higher], reached[higher]
    return outcome


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
