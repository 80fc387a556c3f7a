"""The neural correlation function of one neuron: value and one Clarke selection of its gradient.

N_{z,H}(w) = Σ_i z_i H(x_i; w) (KH24 §2), for the two neuron families whose KKT points the
workbench enumerates. Both are positively homogeneous of order `ORDER` = 2.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array

Scalar: TypeAlias = float | np.floating

ORDER = 2
"""Order of homogeneity L: N(cw) = c^L N(w) for c > 0."""


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


def ncf_value(
    w: Float[Array, "B p"],
    x: Float[Array, "n d"],
    z: Float[Array, " n"],
    kind: NeuronKind,
    leak: float = 0.0,
) -> Float[Array, " B"]:
    """N(w) for a batch of neurons: Σ_i z_i σ(x_i·u)², or v Σ_i z_i σ(x_i·u) (KH24 §2, eq. (89)).

    Units: those of z times those of (x·w)². Cost O(B n d).
    """
    if kind is NeuronKind.SQUARED_RELU:
        return activation(w @ x.T, leak) ** 2 @ z
    return w[:, 0] * (activation(w[:, 1:] @ x.T, leak) @ z)


def ncf_gradient(
    w: Float[Array, "B p"],
    x: Float[Array, "n d"],
    z: Float[Array, " n"],
    kind: NeuronKind,
    leak: float = 0.0,
) -> Float[Array, "B p"]:
    """One element of the Clarke subdifferential ∂N(w) for each neuron of a batch.

    Squared ReLU (N is C¹): 2 Σ_i z_i σ'(x_i·u) σ(x_i·u) x_i.
    Two-layer ReLU: (Σ_i z_i σ(x_i·u), v Σ_i z_i σ'(x_i·u) x_i) with σ'(0) = α, as autograd has it.
    """
    if kind is NeuronKind.SQUARED_RELU:
        s = w @ x.T
        return 2.0 * (activation(s, leak) * activation_slope(s, leak) * z) @ x
    s = w[:, 1:] @ x.T
    in_u = (activation_slope(s, leak) * z) @ x
    return np.column_stack([activation(s, leak) @ z, w[:, :1] * in_u])


def tangent_gradient(
    w: Float[Array, "B p"],
    x: Float[Array, "n d"],
    z: Float[Array, " n"],
    kind: NeuronKind,
    leak: float = 0.0,
) -> Float[Array, "B p"]:
    """∇N(w) − L N(w) w for unit w: the direction flow ŵ' = ∇N(ŵ) − 2N(ŵ)ŵ (KH24 Lemma C.6)."""
    gradient = ncf_gradient(w, x, z, kind, leak)
    return gradient - np.sum(gradient * w, axis=1, keepdims=True) * w
