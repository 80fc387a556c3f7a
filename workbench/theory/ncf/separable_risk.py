"""A risk whose outputs are a sum over neurons, by their weights: what they add and what pulls at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from workbench.arrays import Array, Float
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind, activation, activation_slope, neuron_outputs


@runtime_checkable
class NeuronRisk(Protocol):
    """Outputs (n) of some neurons with weights (a, p) and what they see (a), and ẇ = −∇ of the summed risk.

    `residual`: outputs (n) -> z (n), −∂/∂Φ of the summed risk. `rest` (n): outputs of neurons that are
    followed by nobody and taken to stay.
    """

    @property
    def residual(self) -> Callable[[Float[Array, " n"]], Float[Array, " n"]]: ...

    @property
    def rest(self) -> Float[Array, " n"]: ...

    def outputs(
        self, weights: Float[Array, "a p"], sees: Float[Array, " a"]
    ) -> Float[Array, " n"]: ...

    def pull(
        self, weights: Float[Array, "a p"], sees: Float[Array, " a"], z: Float[Array, " n"]
    ) -> Float[Array, "a p"]: ...


@dataclass(frozen=True, eq=False)
class SeparableRisk:
    """Φ = Σ_k s_k H(x; w_k): neurons that see all of x, with fixed output signs s_k = `sees`, or 1."""

    x: Float[Array, "n d"]
    kind: NeuronKind
    leak: float
    residual: Callable[[Float[Array, " n"]], Float[Array, " n"]]
    rest: Float[Array, " n"]

    def outputs(self, weights: Float[Array, "a p"], sees: Float[Array, " a"]) -> Float[Array, " n"]:
        """Σ_k s_k H(x; w_k), s_k = `sees`."""
        return sees @ neuron_outputs(weights, self.x, self.kind, self.leak)

    def pull(
        self, weights: Float[Array, "a p"], sees: Float[Array, " a"], z: Float[Array, " n"]
    ) -> Float[Array, "a p"]:
        """ẇ_k = s_k ∇N_z(w_k), s_k = `sees`."""
        return sees[:, None] * Ncf(self.x, z, self.kind, self.leak).gradient(weights)


@dataclass(frozen=True, eq=False)
class ApartRisk:
    """Φ = Σ_k v_k σ(u_k x_{j_k}): two-layer neurons (v, u) that see one coordinate j_k = `sees` each."""

    x: Float[Array, "n d"]
    leak: float
    residual: Callable[[Float[Array, " n"]], Float[Array, " n"]]
    rest: Float[Array, " n"]

    def _heights(
        self, weights: Float[Array, "a 2"], sees: Float[Array, " a"]
    ) -> tuple[Float[Array, "a n"], Float[Array, "a n"]]:
        """x_{i j_k} and u_k x_{i j_k}."""
        own = self.x[:, sees.astype(np.int64)].T
        return own, weights[:, 1:] * own

    def outputs(self, weights: Float[Array, "a p"], sees: Float[Array, " a"]) -> Float[Array, " n"]:
        """The sum over neurons, j_k = `sees`."""
        return weights[:, 0] @ activation(self._heights(weights, sees)[1], self.leak)

    def pull(
        self, weights: Float[Array, "a p"], sees: Float[Array, " a"], z: Float[Array, " n"]
    ) -> Float[Array, "a p"]:
        """(v̇, u̇) = (Σ_i z_i σ(u x_ij), v Σ_i z_i σ'(u x_ij) x_ij), j = `sees`."""
        own, height = self._heights(weights, sees)
        in_u = (activation_slope(height, self.leak) * own) @ z
        return np.column_stack([activation(height, self.leak) @ z, weights[:, 0] * in_u])
