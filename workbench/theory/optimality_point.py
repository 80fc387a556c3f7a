"""The point θ~ whose optimality is in question: active constraints, kinks, multipliers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls

from workbench.arrays import Array
from workbench.theory.exact_margins import exact_margins, exact_norm2
from workbench.theory.layered_network import LayeredNetwork

TOUCHES = 1e-9
"""Relative size under which q_i − 1 and pre-activations count as 0."""
CLEAR = 1e-6
"""Relative size above which a pre-activation counts as not 0; between the two nothing is decided."""
KKT = 1e-8
"""Largest ‖θ − Σλ_i h_i‖/‖θ‖ of what is called a KKT point."""
MOST_CORNERS = 64
"""Most corners of one sample's Clarke subdifferential."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """θ~ (P) with q_min = 1. `active` (k): samples with q_i = 1. `heights`, `gates` (n, G). `kinks`
    (j, 2): (sample, gate) of active samples with height 0. `clearance`: the least other relative
    |height| of an active sample, inf without any. `multipliers` (n) of least KKT `residual`.
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
    relative = np.abs(heights) / np.maximum(_height_sizes(network, theta), 1e-300)
    touching = relative <= TOUCHES
    listed = np.zeros_like(touching)
    listed[active] = touching[active]
    kinks = np.argwhere(listed).astype(np.int64)
    gates = np.where((heights > 0) & ~touching, 1.0, network.low[None, :])
    clearance = float(relative[active][~touching[active]].min(initial=np.inf))
    multipliers, residual = _multipliers(network, theta, active, gates, kinks)
    open_part = 1e-14 + 8.0 * residual + 8.0 * float(np.abs(q[active] - 1.0).max())
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
        multipliers,
        residual,
        low,
    )


def _height_sizes(network: LayeredNetwork, theta: Float[Array, " P"]) -> Float[Array, "n G"]:
    """What the heights are small against: ∏‖θ_layer‖ up to their layer, times ‖x‖."""
    if network.linear:
        return np.zeros((len(network.x), 0))
    size = np.linalg.norm(network.x, axis=1)
    found = []
    for index, members in zip(network.index[:-1], network.members, strict=False):
        size = size * float(np.linalg.norm(theta[members]))
        found.append(np.repeat(size[:, None], len(index), axis=1))
    return np.concatenate(found, axis=1) if found else np.zeros((len(network.x), 0))


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
        rows, owners = [], []
        for sample in active:
            corners = _corners(network, gates, kinks, int(sample))
            for corner in corners:
                rows.append(network.rows(theta, corner, np.array([sample]))[0])
                owners.append(sample)
        wider, less = _least(np.array(rows), theta)
        if less < residual:
            weights, residual, owner = wider, less, np.array(owners)
    multipliers = np.zeros(len(network.y))
    np.add.at(multipliers, owner, weights)
    return multipliers, residual


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
