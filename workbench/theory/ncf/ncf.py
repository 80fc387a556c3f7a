"""The neural correlation function of one neuron: value, gradient, and what its searches share.

N_{z,H}(w) = Σ_i z_i H(x_i; w) (KH24 §2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.circle import (
    CircleFunction,
    CriticalItems,
    circle_function,
    critical_items,
)
from workbench.theory.ncf.exact_circle import ExactCircle, exact_circle
from workbench.theory.ncf.exact_lines import ExactLines, exact_lines
from workbench.theory.ncf.merged_lines import MergedLines, merge_lines
from workbench.theory.ncf.neuron import (
    ORDER,
    NeuronKind,
    activation,
    activation_slope,
    neuron_outputs,
)


@dataclass(frozen=True, eq=False)
class Ncf:
    """N_{z,H} on inputs `x` (n, d) with labels or residuals `z` (n,), for one neuron family and leak α.

    Weights w (B, p) are u, or (v, u) with v first (`NeuronKind`). A neuron with the fixed output sign −1
    has the NCF of −z. Merged lines, circle and critical items are computed when first asked for, once; they
    raise ValueError where the data or the leak is unusable (`merge_lines`). Nothing may write into x or z.
    """

    x: Float[Array, "n d"]
    z: Float[Array, " n"]
    kind: NeuronKind
    leak: float = 0.0

    @property
    def dimension(self) -> int:
        """d, the dimension of the inputs."""
        return int(self.x.shape[1])

    @property
    def width(self) -> int:
        """p, the number of weights of one neuron."""
        return self.kind.width(self.dimension)

    @property
    def order(self) -> int:
        """L, the order of homogeneity: N(cw) = c^L N(w) for c > 0."""
        return ORDER

    @property
    def in_closed_form(self) -> bool:
        """Whether KKT points, ways and times have formulas: two-layer ReLU on inputs of one number."""
        return self.dimension == 1 and self.kind is NeuronKind.TWO_LAYER_RELU

    @cached_property
    def scale(self) -> float:
        """Σ_i |z_i| ‖x_i‖^k, k = `NeuronKind.degree`: a bound on |N| on the unit sphere; 1 where it is 0."""
        return float(np.abs(self.z) @ np.linalg.norm(self.x, axis=1) ** self.kind.degree) or 1.0

    @cached_property
    def merged_lines(self) -> MergedLines:
        """The data merged into distinct hyperplanes."""
        return merge_lines(self.x, self.z, self.kind, self.leak)

    @cached_property
    def exact_lines(self) -> ExactLines:
        """The merged lines as integers."""
        return exact_lines(self.merged_lines)

    @cached_property
    def exact_circle(self) -> ExactCircle:
        """The arcs of `circle` as integers; raises ValueError where d is not 2."""
        return exact_circle(self.exact_lines)

    @cached_property
    def circle(self) -> CircleFunction:
        """N, or g of two-layer ReLU, over the angle of u; raises ValueError where d is not 2."""
        return circle_function(self.merged_lines, self.exact_circle)

    @cached_property
    def critical_items(self) -> CriticalItems:
        """Critical points and flat arcs of `circle`."""
        return critical_items(self.circle)

    def outputs(self, w: Float[Array, "B p"]) -> Float[Array, "B n"]:
        """H(x_i; w) of every neuron of a batch: σ(x_i·u)², or v σ(x_i·u)."""
        return neuron_outputs(w, self.x, self.kind, self.leak)

    def value(self, w: Float[Array, "B p"]) -> Float[Array, " B"]:
        """N(w) for a batch of neurons: Σ_i z_i σ(x_i·u)², or v Σ_i z_i σ(x_i·u) (KH24 §2, eq. (89)).

        Units: those of z times those of (x·w)². Cost O(B n d).
        """
        if self.kind is NeuronKind.SQUARED_RELU:
            return activation(w @ self.x.T, self.leak) ** 2 @ self.z
        return w[:, 0] * (activation(w[:, 1:] @ self.x.T, self.leak) @ self.z)

    def gradient(self, w: Float[Array, "B p"]) -> Float[Array, "B p"]:
        """One element of the Clarke subdifferential ∂N(w) for each neuron of a batch.

        Squared ReLU (N is C¹): 2 Σ_i z_i σ'(x_i·u) σ(x_i·u) x_i.
        Two-layer ReLU: (Σ_i z_i σ(x_i·u), v Σ_i z_i σ'(x_i·u) x_i) with σ'(0) = α, as autograd has it.
        """
        x, z, leak = self.x, self.z, self.leak
        if self.kind is NeuronKind.SQUARED_RELU:
            s = w @ x.T
            return 2.0 * (activation(s, leak) * activation_slope(s, leak) * z) @ x
        s = w[:, 1:] @ x.T
        in_u = (activation_slope(s, leak) * z) @ x
        return np.column_stack([activation(s, leak) @ z, w[:, :1] * in_u])

    def tangent_gradient(self, w: Float[Array, "B p"]) -> Float[Array, "B p"]:
        """∇N(w) − L N(w) w for unit w: the direction flow ŵ' = ∇N(ŵ) − 2N(ŵ)ŵ (KH24 Lemma C.6)."""
        gradient = self.gradient(w)
        return gradient - np.sum(gradient * w, axis=1, keepdims=True) * w
