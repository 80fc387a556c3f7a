"""The point θ~ whose optimality is in question: active constraints, kinks, multipliers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls

from workbench.arrays import Array
from workbench.theory.optimality.exact_margins import exact_margins, exact_norm2
from workbench.theory.optimality.layered_network import LayeredNetwork

TOUCHES = 1e-9
"""Relative size under which q_i − 1, pre-activations and units count as 0."""
EXACT = 1e-13
"""The same up to which a pre-activation is what rounding makes of 0: families may cross that kink."""
CLEAR = 1e-6
"""Relative size above which a pre-activation counts as not 0; between the two nothing is decided."""
KKT = 1e-8
"""Largest ‖θ − Σλ_i h_i‖/‖θ‖ of what is called a KKT point."""
MOST_CORNERS = 64
"""Most corners of one sample's Clarke subdifferential."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """θ~ (P) with q_min = 1. `active` (k): samples with q_i = 1. `heights`, `gates` (n, G). `kinks`
    (j, 2): (sample, gate) of active samples with height 0. `clearance`: the least other |height|
    of an active sample over the norms of what makes it, inf without any; `nearest_kink`: the least change
    of weights that brings one to 0 that is not there up to rounding. `multipliers` (n) of least KKT
    `residual`.
    `norm2_low`: what a norm² must stay under to be called smaller: ‖θ~‖²/q_min^{2/L} less what residual and
    rounding leave open."""

    network: LayeredNetwork
    theta: Float[Array, " P"]
    q: Float[Array, " n"]
    active: Int[Array, " k"]
    heights: Float[Array, "n G"]
    gates: Float[Array, "n G"]
    kinks: Int[Array, "j 2"]
    clearance: float
    nearest_kink: float
    multipliers: Float[Array, " n"]
    residual: float
    norm2_low: Fraction

    @property
    def norm2(self) -> float:
        """‖θ~‖²."""
        return float(self.theta @ self.theta)

    @property
    def size(self) -> float:
        """‖θ~‖."""
        return float(np.linalg.norm(self.theta))

    @property
    def support(self) -> Int[Array, " k"]:
        """Active samples with a positive multiplier."""
        return np.flatnonzero(self.multipliers > TOUCHES * self.multipliers.max(initial=0.0))

    @property
    def stationary(self) -> bool:
        """Whether the KKT conditions hold."""
        return self.residual <= KKT

    def held(self, pattern: Float[Array, " j"]) -> Float[Array, "n G"]:
        """The gates with those at the kinks put to `pattern`."""
        gates = self.gates.copy()
        gates[self.kinks[:, 0], self.kinks[:, 1]] = pattern
        return gates


def candidate(network: LayeredNetwork, theta: Float[Array, " P"]) -> Candidate:
    """θ scaled onto q_min = 1, with the multipliers of least residual over corners of ∂q_i.

    Raises:
        ValueError: θ of another length, not finite, or with a margin that is not above 0.
    """
    if theta.shape != (network.size,) or not np.isfinite(theta).all():
        raise ValueError(f"the network has {network.size} finite parameters, and given are others")
    least = float(network.true_margins(theta).min())
    if not least > 0:
        raise ValueError(f"(P) needs margins above 0; the least is {least:.6g}")
    theta = theta * least ** (-1.0 / network.order)
    q = network.true_margins(theta)
    heights = network.heights(theta)
    active = np.flatnonzero(q <= 1.0 + TOUCHES)
    relative, reach = _own_heights(network, theta, heights)
    touching = relative <= TOUCHES
    listed = np.zeros_like(touching)
    listed[active] = touching[active]
    kinks = np.argwhere(listed).astype(np.int64)
    gates = np.where((heights > 0) & ~touching, 1.0, network.low[None, :])
    apart = ~touching[active]
    clearance = float(relative[active][apart].min(initial=np.inf))
    nearest_kink = float(reach[active][relative[active] > EXACT].min(initial=np.inf))
    multipliers, residual = _multipliers(network, theta, active, gates, kinks)
    # A KKT point is known up to its residual; any other point is taken as it is.
    known = residual if residual <= KKT else 0.0
    open_part = 1e-14 + 8.0 * known + 8.0 * float(np.abs(q[active] - 1.0).max())
    low = exact_norm2(theta) * Fraction(max(0.0, 1.0 - open_part))
    tightest = max(Fraction(1), min(exact_margins(network, theta)))
    low /= tightest**2
    return Candidate(
        network,
        theta,
        q,
        active,
        heights,
        gates,
        kinks,
        clearance,
        nearest_kink,
        multipliers,
        residual,
        low,
    )


def _own_heights(
    network: LayeredNetwork, theta: Float[Array, " P"], heights: Float[Array, "n G"]
) -> tuple[Float[Array, "n G"], Float[Array, "n G"]]:
    """|height| over ‖weights in‖·‖what they see‖, and over the latter alone: what change of the weights
    reaches the kink. Both 0 for a zero unit, or one that sees nothing."""
    relative, reach = np.zeros_like(heights), np.zeros_like(heights)
    if network.linear:
        return relative, reach
    seen, bound = np.abs(network.x), np.linalg.norm(network.x, axis=1)
    for k, weight in enumerate(network.weights(theta)[:-1]):
        here = slice(network.first_gate[k], network.first_gate[k + 1])
        rows = np.linalg.norm(weight, axis=1)
        # Masked weights see less than the whole of what is below.
        size = np.sqrt(seen**2 @ (network.index[k] >= 0).T)
        zero = (size <= TOUCHES * bound[:, None]) | (rows <= TOUCHES * np.linalg.norm(weight))
        size = np.where(zero, 1.0, size)
        height = np.where(zero, 0.0, np.abs(heights[:, here]))
        reach[:, here] = height / size
        relative[:, here] = reach[:, here] / np.where(rows > 0, rows, 1.0)
        seen = np.maximum(heights[:, here], network.leak * heights[:, here])
        bound = bound * float(np.linalg.norm(weight))
    return relative, reach


def _multipliers(
    network: LayeredNetwork,
    theta: Float[Array, " P"],
    active: Int[Array, " k"],
    gates: Float[Array, "n G"],
    kinks: Int[Array, "j 2"],
) -> tuple[Float[Array, " n"], float]:
    """λ ≥ 0 and the least ‖θ − Σλ_i h_i‖/‖θ‖ with h_i in the hull of ∂q_i's corners."""
    plain, owner = network.rows(theta, gates, active), active
    weights, residual = _least(plain, theta)
    if residual > KKT and len(kinks):
        found = _boxed if network.depth == 2 else _cornered
        wider, less, owners = found(network, theta, active, gates, kinks)
        if less < residual:
            weights, residual, owner = wider, less, owners
    multipliers = np.zeros(len(network.y))
    np.add.at(multipliers, owner, weights)
    return multipliers, residual


def _boxed(
    network: LayeredNetwork,
    theta: Float[Array, " P"],
    active: Int[Array, " k"],
    gates: Float[Array, "n G"],
    kinks: Int[Array, "j 2"],
) -> tuple[Float[Array, " k"], float, Int[Array, " k"]]:
    """Two layers, where ∇q_i is affine in every gate: θ = Σ λ_i ∇q_i(low gates) + Σ μ_ik (jump of gate
    k), 0 ≤ μ_ik ≤ λ_i. The bound is an equation μ + slack = λ, exact where θ is met exactly."""
    plain = network.rows(theta, gates, active)
    jumps = np.empty((len(kinks), network.size))
    for at, (sample, gate) in enumerate(kinks):
        opened = gates.copy()
        opened[sample, gate] = 1.0
        at_active = int(np.searchsorted(active, sample))
        jumps[at] = network.rows(theta, opened, np.array([sample]))[0] - plain[at_active]
    k, j, size = len(active), len(kinks), float(np.linalg.norm(theta))
    system = np.zeros((network.size + j, k + 2 * j))
    system[: network.size, :k], system[: network.size, k : k + j] = plain.T, jumps.T
    last = network.size + np.arange(j)
    system[last, np.searchsorted(active, kinks[:, 0])] = -size
    system[last, k + np.arange(j)] = system[last, k + j + np.arange(j)] = size
    weights, rest = _least(np.ascontiguousarray(system.T), np.append(theta, np.zeros(j)))
    return weights[:k], rest, active


def _cornered(
    network: LayeredNetwork,
    theta: Float[Array, " P"],
    active: Int[Array, " k"],
    gates: Float[Array, "n G"],
    kinks: Int[Array, "j 2"],
) -> tuple[Float[Array, " k"], float, Int[Array, " k"]]:
    """Any depth: weights on the corners of ∂q_i, and whose corners they are."""
    rows, owners = [], []
    for sample in active:
        for corner in _corners(network, gates, kinks, int(sample)):
            rows.append(network.rows(theta, corner, np.array([sample]))[0])
            owners.append(sample)
    weights, rest = _least(np.array(rows), theta)
    return weights, rest, np.array(owners)


def _corners(
    network: LayeredNetwork, gates: Float[Array, "n G"], kinks: Int[Array, "j 2"], sample: int
) -> list[Float[Array, "n G"]]:
    """Gates for every choice at the sample's kinks; the first ones only, if there are many."""
    own = kinks[kinks[:, 0] == sample, 1]
    found = []
    for choice in product((0, 1), repeat=min(len(own), MOST_CORNERS.bit_length() - 1)):
        changed = gates.copy()
        for gate, opened in zip(own, choice, strict=False):
            changed[sample, gate] = 1.0 if opened else network.leak
        found.append(changed)
    return found


def _least(
    rows: Float[Array, "k P"], theta: Float[Array, " P"]
) -> tuple[Float[Array, " k"], float]:
    """Non-negative least squares; the residual over ‖θ‖."""
    # Scaled columns: NNLS stops at an absolute tolerance.
    size = np.linalg.norm(rows, axis=1)
    size[size == 0] = 1.0
    weights = nnls((rows / size[:, None]).T, theta)[0] / size
    used = np.flatnonzero(weights)
    if len(used):
        polished = np.linalg.lstsq(rows[used].T, theta, rcond=None)[0]
        if (polished > 0).all():
            weights[used] = polished
    rest = float(np.linalg.norm(theta - weights @ rows) / np.linalg.norm(theta))
    return weights, rest
