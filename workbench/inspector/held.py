"""Neurons that no small move lets out: how far θ may be moved before any neuron helps more than now.

The output is a sum over neurons and the loss is convex in it, so 𝓛(θ') ≥ 𝓛(θ) − Σ_k [N_k(w'_k) − N_k(w_k)],
N_k the correlation of neuron k with the residual z. While no pre-activation changes its sign, N_k is a
quadratic form of the cell: v s·u with s = Σ_i σ'_i z_i x_i (two layers), or uᵀA u with
A = Σ_i σ'_i² z_i x_i x_iᵀ (squared ReLU). Where s = 0, or A ≤ 0 and A u = 0, for every neuron, the risk
is lower nowhere in these cells: a local minimum, however low the risk is elsewhere. A dead ReLU neuron, off
on all samples, has s = 0; so has one in the cell of a large neuron that is at rest. A two-layer neuron
with |v| > ‖u‖ keeps the sign of v (v² − ‖u‖² is conserved), and is held as well where no direction of
that sign correlates. A neuron that is exactly 0 lies on every edge and is never held: it can leave in
any direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Bool, Float
from workbench.inspector.correlation import Correlation
from workbench.inspector.groups import Groups
from workbench.inspector.state import InspectedState
from workbench.theory.ncf.neuron import NeuronKind, activation

SAME_AS_LARGE = 10.0
"""Rates up to this many times that of large neurons at rest are as much at rest as these."""
ROUNDING = 1e-10
"""Rates below this share of Σ|z_i|‖x_i‖^k are rounding."""
HELD = 1e-3
"""Most of the fastest escape rate at which a neuron counts as held."""


@dataclass(frozen=True, eq=False)
class Held:
    """By neuron. `rate`: how fast it grows or moves at most within its cell, in the run's flow time.
    `reach`: how far its weights may move with nothing to gain; 0 where it is not held.

    `dead`: off on every sample. `loose`: rate that edges may add which are not counted, as next to no
    residual lies on them.
    """

    rate: Float[Array, " H"]
    reach: Float[Array, " H"]
    dead: Bool[Array, " H"]
    loose: float

    @property
    def all_held(self) -> bool:
        """Whether every neuron is, so that the state is a local minimum."""
        return bool(len(self.reach)) and bool((self.reach > 0.0).all())

    @property
    def distance(self) -> float:
        """Within this distance of θ the risk is nowhere lower."""
        return float(self.reach.min()) if len(self.reach) else 0.0

    def gain(self, norm: Float[Array, " H"]) -> float:
        """Most that the risk can fall within `distance`, for neurons of these norms: what rounding leaves."""
        near = min(self.distance, float(norm.max(initial=0.0)))
        return float(((self.rate + self.loose) * (norm * near + near**2)).sum())


def held_neurons(
    state: InspectedState, groups: Groups, correlation: Correlation | None
) -> Held | None:
    """Which neurons of the state are held; None where they do not separate."""
    neurons = state.separable
    if neurons is None or correlation is None or correlation.joint:
        return None
    u = state.structure.incoming(state.theta)
    slopes = np.where(state.heights > 0.0, 1.0, neurons.leak)
    rate = _rates(state, u, slopes) * state.flow_factor
    scale = correlation.scale * state.flow_factor
    resting = rate[groups.large][rate[groups.large] > 0.0]
    still = ROUNDING * scale
    if len(resting):
        still = max(still, SAME_AS_LARGE * float(resting.min()))
    fastest = max(correlation.escape_rate(), 0.0)
    if fastest > 0.0:
        still = min(still, HELD * fastest)
    size = np.abs(state.x).max(axis=1) if state.apart else np.linalg.norm(state.x, axis=1)
    jumps = np.abs(state.z) * size**state.kind.degree * state.flow_factor
    counted = jumps > still
    reach = np.where(rate <= still, _cell_radius(state, u, counted), 0.0)
    reach = np.maximum(reach, _sign_radius(state, u, correlation))
    dead = (slopes == 0.0).all(axis=1)
    return Held(rate, reach, dead, float(jumps[~counted].sum()))


def _rates(
    state: InspectedState, u: Float[Array, "H d"], slopes: Float[Array, "H n"]
) -> Float[Array, " H"]:
    """Growth of the cell's quadratic form at its best, or of the neuron's own weights where that is more."""
    if state.apart:
        return np.asarray(np.abs((slopes * state.z * state.x.T).sum(axis=1)))
    if state.kind is NeuronKind.TWO_LAYER_RELU:
        return np.asarray(np.linalg.norm((slopes * state.z) @ state.x, axis=1))
    rates = np.zeros(len(u))
    for k in range(len(u)):
        weights = state.sees[k] * slopes[k] ** 2 * state.z
        form = (state.x * weights[:, None]).T @ state.x
        size = float(np.linalg.norm(u[k]))
        moves = 2.0 * float(np.linalg.norm(form @ u[k])) / size if size > 0.0 else 0.0
        rates[k] = max(2.0 * float(np.linalg.eigvalsh(form)[-1]), moves, 0.0)
    return rates


def _cell_radius(
    state: InspectedState, u: Float[Array, "H d"], counted: Bool[Array, " n"]
) -> Float[Array, " H"]:
    """Distance of u to the nearest edge x_i·u = 0 of its cell that counts: one with a residual."""
    neurons = state.separable
    if neurons is None or neurons.leak == 1.0 or not counted.any():
        return np.full(len(u), np.inf)
    if state.apart:
        # The one edge of a coordinate is u = 0, and samples without it have none.
        edge = (state.x[counted] != 0.0).any(axis=0)
        return np.where(edge, np.abs(u[:, 0]), np.inf)
    x = state.x[counted]
    return np.asarray((np.abs(u @ x.T) / np.linalg.norm(x, axis=1)).min(axis=1))


def _sign_radius(
    state: InspectedState, u: Float[Array, "H d"], correlation: Correlation
) -> Float[Array, " H"]:
    """(|v| − ‖u‖)/√2 of two-layer neurons whose sign of v helps in no direction at all, else 0."""
    v = state.structure.outgoing(state.theta)
    if v is None or not correlation.complete:
        return np.zeros(len(u))
    least = 1e-12 * correlation.scale
    helpful = {
        (sees, float(np.sign(p.direction[0])))
        for sees, p in zip(correlation.sees, correlation.points, strict=True)
        if p.value > least
    }
    useless = np.array(
        [
            sees in correlation.sets
            and (float(sees), float(np.sign(a))) not in helpful
            and a != 0.0
            for sees, a in zip(state.sees, v, strict=True)
        ]
    )
    at_rest = np.abs(_own_value(state, v)) <= HELD * np.exp(state.log_risk)
    reach = (np.abs(v) - np.linalg.norm(u, axis=1)) / np.sqrt(2.0)
    return np.where(useless & at_rest, np.maximum(reach, 0.0), 0.0)


def _own_value(state: InspectedState, v: Float[Array, " H"]) -> Float[Array, " H"]:
    """N_k(w_k) = v_k Σ_i z_i σ(x_i·u_k), in the run's flow."""
    neurons = state.separable
    leak = 0.0 if neurons is None else neurons.leak
    return np.asarray(state.flow_factor * v * (activation(state.heights, leak) @ state.z))
