"""What polishing asks of a network: margins with the activation pattern held fixed.

A gate is one (leaky) ReLU of one sample: σ(s) = g s with g = 1 where the height s > 0, g = the leak where
s < 0, and any g between where s = 0 (the Clarke subdifferential of σ). With the gates held, margins
are polynomials in θ.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array


@runtime_checkable
class PatternedMargins(Protocol):
    """The constraints q_i(θ) ≥ 1 of (P), i < M, as functions of θ (P) and gates (n, G)."""

    @property
    def order(self) -> float:
        """L."""
        ...

    @property
    def samples(self) -> Int[Array, " M"]:
        """The sample of every constraint."""
        ...

    @property
    def low(self) -> Float[Array, " G"]:
        """The gates' value below 0."""
        ...

    @property
    def smooth(self) -> bool:
        """Whether ∂q is continuous across heights of 0 (squared ReLU): gates between mean nothing."""
        ...

    def heights(self, theta: Float[Array, " P"]) -> Float[Array, "n G"]:
        """What every gate's ReLU sees, with the gates as the network itself sets them."""
        ...

    def margins(self, theta: Float[Array, " P"], gates: Float[Array, "n G"]) -> Float[Array, " M"]:
        """q_i of all constraints."""
        ...

    def rows(
        self, theta: Float[Array, " P"], gates: Float[Array, "n G"], which: Int[Array, " k"]
    ) -> Float[Array, "k P"]:
        """∇q_i for the constraints `which`."""
        ...

    def curvature(
        self,
        theta: Float[Array, " P"],
        gates: Float[Array, "n G"],
        which: Int[Array, " k"],
        weights: Float[Array, " k"],
    ) -> Float[Array, "P P"]:
        """∇² of Σ weights_i q_i over the constraints `which`."""
        ...

    def kinks(
        self,
        theta: Float[Array, " P"],
        gates: Float[Array, "n G"],
        which: Int[Array, " k"],
        weights: Float[Array, " k"],
        pairs: Int[Array, "j 2"],
    ) -> tuple[Float[Array, " j"], Float[Array, "j P"], Float[Array, "j P"]]:
        """For gates `pairs` (sample, gate): heights, their ∇ in θ, ∂/∂gate of ∇Σ weights_i q_i."""
        ...


def gates_of(heights: Float[Array, "n G"], low: Float[Array, " G"]) -> Float[Array, "n G"]:
    """The gates as the network sets them; at a height of 0 the lower one, as autograd does."""
    open_gates: Bool[Array, "n G"] = heights > 0
    return np.where(open_gates, 1.0, low[None, :])
