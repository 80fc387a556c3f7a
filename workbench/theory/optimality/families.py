"""Families of better feasible points that come arbitrarily near θ~: why it is no local optimum of (P).

Directions are found by themselves: descent to first order on the sides of kinks (a linear program a
side), negative curvature of the Lagrangian where active margins stay, and zero neurons that would pay.
Along each, points at distances 1e−1 … 1e−6 of ‖θ~‖ are brought back onto the active margins and checked
in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

from workbench.arrays import Array
from workbench.theory.optimality.bounds import incoming
from workbench.theory.optimality.curvature import bent, null_space_of
from workbench.theory.optimality.exact_margins import exact_norm2, made_feasible, rounded_up
from workbench.theory.optimality.neuron_supremum import neuron_supremum
from workbench.theory.optimality.point import TOUCHES, Candidate
from workbench.theory.optimality.result import Better

DISTANCES = tuple(10.0**-k for k in range(1, 7))
"""Of the family's members, over ‖θ~‖."""
NEAR = 2e-5
"""A family must come at least so near, over ‖θ~‖."""
FALLS = 1e-7
"""Slopes and curvatures, in units where θ̂ has 1, below which nothing is called descent."""
MOST_KINKS = 8
"""Most kinks for which all gates are gone through; of more, those of random nearby points."""
MOST_PATTERNS = 64
DRAWS = 400
"""Random nearby points whose patterns at the kinks are looked at where there are too many."""
MOST_VECTORS = 6


@dataclass(frozen=True, eq=False)
class Direction:
    """A unit `u` (P) along which the norm may fall, and the family's name."""

    u: Float[Array, " P"]
    family: str


def better_family(point: Candidate, free: Bool[Array, " P"]) -> Better | None:
    """Members of the first direction that holds, moving only the numbers of θ that are `free` (all, or those
    of one layer); None where none was found."""
    for direction in directions(point, free):
        found = along(point, free, direction)
        if found is not None:
            return found
    return None


def directions(point: Candidate, free: Bool[Array, " P"]) -> Iterator[Direction]:
    """Candidates for descent, the cheap ones first."""
    plain = np.full(len(point.kinks), point.network.leak)
    if free.all():
        yield from _waking(point)
    if point.stationary:
        yield from _curved(point, free, plain)
    for pattern in _patterns(point, free):
        yield from _downhill(point, free, pattern)
    if point.stationary and len(point.kinks):
        for pattern in _patterns(point, free):
            yield from _curved(point, free, pattern)


def along(point: Candidate, free: Bool[Array, " P"], direction: Direction) -> Better | None:
    """The members that hold, or None unless they come near enough to θ~, and nearer than other kinks."""
    found = []
    for share in DISTANCES:
        start = point.theta + share * point.size * direction.u
        members = (
            restored(point, free, start, share * point.size, whole) for whole in (True, False)
        )
        held = [member for member in members if member is not None]
        if held:
            found.append(min(held, key=lambda theta: float(theta @ theta)))
    if not found:
        return None
    distances = np.array([np.linalg.norm(theta - point.theta) for theta in found])
    order = np.argsort(-distances, kind="stable")
    if distances.min() > min(NEAR * point.size, 0.1 * point.nearest_kink):
        return None
    return Better(
        theta=np.array(found)[order],
        norm2=np.array([rounded_up(exact_norm2(found[k])) for k in order]),
        distances=distances[order],
        family=direction.family,
    )


def restored(
    point: Candidate,
    free: Bool[Array, " P"],
    start: Float[Array, " P"],
    reach: float,
    whole: bool,
) -> Float[Array, " P"] | None:
    """A feasible point of smaller norm than θ~ near `start`, or None.

    Newton steps of least norm put margins back to 1: all with a multiplier, if `whole` (then the norm
    follows the Lagrangian), else only those that fell below.
    """
    network, theta = point.network, start.copy()
    for _ in range(8):
        gates = network.gates(theta)
        short = 1.0 - network.margins(theta, gates)
        wanted = short > 0
        if whole:
            wanted[point.support] = True
        which = np.flatnonzero(wanted)
        if not len(which) or np.abs(short[which]).max() <= 4e-16:
            break
        rows = network.rows(theta, gates, which)[:, free]
        change = np.linalg.lstsq(rows, short[which], rcond=1e-10)[0]
        if not np.linalg.norm(change) <= 10.0 * reach:
            break
        theta[free] += change
    order = network.order if free.all() else 1.0
    feasible = made_feasible(network, theta, free.astype(float), order)
    if feasible is None or not exact_norm2(feasible) < point.norm2_low:
        return None
    return feasible


# --- directions ---


def _patterns(point: Candidate, free: Bool[Array, " P"]) -> Iterator[Float[Array, " j"]]:
    """Gates at the kinks: all choices, or those of random nearby points."""
    count, leak = len(point.kinks), point.network.leak
    if not count:
        yield np.zeros(0)
        return
    if count <= MOST_KINKS:
        for choice in product((leak, 1.0), repeat=count):
            yield np.array(choice)
        return
    random, seen = np.random.default_rng(0), set[bytes]()
    sample, gate = point.kinks.T
    for _ in range(DRAWS):
        step = np.where(free, random.normal(size=len(free)), 0.0)
        moved = point.theta + 1e-5 * point.size * step / np.linalg.norm(step)
        pattern = np.where(point.network.heights(moved)[sample, gate] > 0, 1.0, leak)
        if pattern.tobytes() not in seen and len(seen) < MOST_PATTERNS:
            seen.add(pattern.tobytes())
            yield pattern


def _downhill(
    point: Candidate, free: Bool[Array, " P"], pattern: Float[Array, " j"]
) -> Iterator[Direction]:
    """min θ~·u s.t. ∇q_i·u ≥ 0 on the active set, heights at kinks move as the pattern says, |u| ≤ 1."""
    network = point.network
    gates = point.held(pattern)
    rows = network.rows(point.theta, gates, point.active)[:, free]
    none = np.zeros(0, dtype=np.int64)
    _, height_rows, _ = network.kinks(point.theta, gates, none, np.zeros(0), point.kinks)
    side = np.where(pattern == 1.0, 1.0, -1.0)[:, None] * height_rows[:, free]
    found = linprog(
        point.theta[free],
        A_ub=-np.vstack([rows, side]),
        b_ub=np.zeros(len(rows) + len(side)),
        bounds=(-1.0, 1.0),
        method="highs",
    )
    if found.x is None or not found.x @ point.theta[free] < -FALLS * point.size:
        return
    u = np.zeros(network.size)
    u[free] = found.x / np.linalg.norm(found.x)
    slope = float(u @ point.theta) / point.size
    yield Direction(
        u,
        f"along a direction in which ½‖θ‖² falls with slope {slope:.3g}·‖θ~‖ and no active margin does, "
        f"on one side of {len(pattern)} kinks",
    )


def _curved(
    point: Candidate, free: Bool[Array, " P"], pattern: Float[Array, " j"]
) -> Iterator[Direction]:
    """Eigenvectors of the Lagrangian's curvature below 0, among directions that keep active margins."""
    network, used = point.network, point.support
    gates = point.held(pattern)
    rows = network.rows(point.theta, gates, used)
    weights = point.multipliers[used]
    if np.linalg.norm((point.theta - weights @ rows)[free]) > 1e-7 * point.size:
        return
    basis = np.zeros((network.size, 0))
    if free.any():
        inside = null_space_of(rows[:, free])
        basis = np.zeros((network.size, inside.shape[1]))
        basis[free] = inside
    values, vectors = np.linalg.eigh(bent(point, gates, basis))
    for value, vector in list(zip(values, vectors.T, strict=True))[:MOST_VECTORS]:
        if value > -FALLS:
            return
        for sign in (1.0, -1.0):
            yield Direction(
                sign * basis @ vector,
                f"along a direction of curvature {value:.3g} of the Lagrangian, brought back onto the "
                "active margins",
            )


def _waking(point: Candidate) -> Iterator[Direction]:
    """Zero neurons of two layers whose best direction makes more than its norm costs."""
    network = point.network
    seen = incoming(network)
    if seen is None or not point.stationary:
        return
    used = point.support
    z = (point.multipliers * network.y)[used]
    first, last = network.weights(point.theta)
    reaching = np.flatnonzero(network.index[1][0] >= 0)
    for j, columns in zip(reaching, seen, strict=True):
        if np.hypot(np.linalg.norm(first[j, columns]), last[0, j]) > TOUCHES * point.size:
            continue
        most = neuron_supremum(network.x[used][:, columns], z, network.leak)
        if most is None or most.value <= 1.0 + FALLS:
            continue
        u = np.zeros(network.size)
        u[network.index[0][j, columns]] = most.w / np.sqrt(2.0)
        u[network.index[1][0, j]] = most.sign / np.sqrt(2.0)
        yield Direction(
            u,
            f"by waking the zero neuron {j}, whose correlation {most.value:.6g} exceeds its cost 1",
        )
