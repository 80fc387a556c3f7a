"""One neuron: the two families whose constrained NCF the workbench enumerates, and their outputs.

Both are positively homogeneous of order `ORDER` = 2 (KH24 §2).
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array

ORDER = 2
"""Order of homogeneity L: H(x; cw) = c^L H(x; w) for c > 0."""


class NeuronKind(StrEnum):
    """The neuron families with an enumerable constrained NCF.

    `SQUARED_RELU`: H(x; u) = σ(x·u)², weights (u), p = d.
    `TWO_LAYER_RELU`: H(x; v, u) = v σ(x·u), weights (v, u) with v first, p = d + 1.
    In both σ(s) = max(s, αs) with a leak α in (−1, 1].
    """

    SQUARED_RELU = "squared-relu"
    TWO_LAYER_RELU = "two-layer-relu"

    def width(self, d: int) -> int:
        """Number of weights p of one neuron on inputs of dimension d."""
        return d if self is NeuronKind.SQUARED_RELU else d + 1

    @property
    def degree(self) -> int:
        """Order k of a neuron's output in its input x: 2, or 1 for two-layer ReLU."""
        return 2 if self is NeuronKind.SQUARED_RELU else 1


def check_leak(leak: float) -> float:
    """The leak α as a float.

    Raises:
        ValueError: α is outside (−1, 1] or not finite.
    """
    if not -1.0 < leak <= 1.0:
        raise ValueError(f"leak must lie in (-1, 1], got {leak!r}")
    return float(leak)


def activation(s: Float[Array, "..."], leak: float) -> Float[Array, "..."]:
    """σ(s) = max(s, αs), elementwise."""
    return np.where(s > 0, s, leak * s)


def activation_slope(s: Float[Array, "..."], leak: float) -> Float[Array, "..."]:
    """One selection of ∂σ(s): 1 for s > 0, else α (what autograd returns at 0)."""
    return np.where(s > 0, 1.0, leak)


def neuron_outputs(
    w: Float[Array, "B p"],
    x: Float[Array, "n d"],
    kind: NeuronKind,
    leak: float = 0.0,
) -> Float[Array, "B n"]:
    """H(x_i; w) of every neuron of a batch: σ(x_i·u)², or v σ(x_i·u)."""
    if kind is NeuronKind.SQUARED_RELU:
        return activation(w @ x.T, leak) ** 2
    return w[:, :1] * activation(w[:, 1:] @ x.T, leak)
