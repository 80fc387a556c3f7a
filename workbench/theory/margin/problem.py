"""Problem (P): min ½‖θ‖² s.t. q_i(θ) ≥ 1, at the feasible point that a separating θ is scaled to.

LL20 §4.3 and Appendix F (several classes: one constraint s_ij = Φ_{y_i} − Φ_j ≥ 1 for every j ≠ y_i).
Scaling needs no new evaluations, as q_i is homogeneous; for a multi-homogeneous network (Appendix G)
every layer may be scaled by itself, and the norm is least where ‖w_k‖² is in proportion to k_k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array

Layers = Sequence[tuple[Int[Array, "..."], float]]
"""For every layer: the indices of its parameters in θ, and its order k."""

EULER = 1e-6
"""Rows must obey ⟨θ, ∂q_i⟩ = L q_i to this, relative to ‖θ‖ ‖∂q_i‖."""


@dataclass(frozen=True, eq=False)
class Rescaling:
    """θ~ = factor · θ (entry by entry) has q_min(θ~) = 1; `factor` (P), `q_min` that of θ."""

    factor: Float[Array, " P"]
    q_min: float

    def theta(self, theta: Float[Array, " P"]) -> Float[Array, " P"]:
        """θ~."""
        return self.factor * theta

    def gradients(self, rows: Float[Array, "... P"]) -> Float[Array, "... P"]:
        """∂q_i(θ~) from ∂q_i(θ), or Σ w_i ∂q_i(θ~) from Σ w_i ∂q_i(θ)."""
        return rows / (self.q_min * self.factor)


def uniform_rescaling(theta: Float[Array, " P"], q: Float[Array, " M"], order: float) -> Rescaling:
    """θ~ = θ/q_min^{1/L} (LL20 Lemma C.8).

    Raises:
        ValueError: q_min ≤ 0, which no scaling makes feasible, or order ≤ 0.
    """
    q_min = _least(q)
    if not order > 0:
        raise ValueError(f"the order of homogeneity must be positive, got {order}")
    return Rescaling(np.full(len(theta), np.exp(-np.log(q_min) / order)), q_min)


def layer_rescaling(theta: Float[Array, " P"], q: Float[Array, " M"], layers: Layers) -> Rescaling:
    """Layer by layer: ‖w~_k‖² = k_k τ with τ such that q_min(θ~) = 1.

    Of all scalings of the layers with q_min = 1 this has the least ‖θ~‖: it is √(L τ) with
    τ^L = ∏ (ρ_k²/k_k)^{k_k}/q_min².

    Raises:
        ValueError: q_min ≤ 0, a layer of norm 0 or of order ≤ 0, or layers that do not make up θ.
    """
    q_min = _least(q)
    seen = np.concatenate([index for index, _ in layers]) if layers else np.zeros(0, dtype=int)
    if len(seen) != len(theta) or len(np.unique(seen)) != len(theta):
        raise ValueError("the layers must hold every parameter once")
    orders = np.array([k for _, k in layers])
    norms = np.array([np.linalg.norm(theta[index]) for index, _ in layers])
    if not (orders > 0).all() or not (norms > 0).all():
        raise ValueError("every layer must have a positive order and a positive norm")
    log_square = 2.0 * np.log(norms) - np.log(orders)
    log_tau = (orders @ log_square - 2.0 * np.log(q_min)) / orders.sum()
    factor = np.empty(len(theta))
    for (index, _), log in zip(layers, log_square, strict=True):
        factor[index] = np.exp(0.5 * (log_tau - log))
    return Rescaling(factor, q_min)


def _least(q: Float[Array, " M"]) -> float:
    q_min = float(q.min(initial=np.inf))
    if not 0 < q_min < np.inf:
        raise ValueError(f"(P) needs margins above 0; the least is {q_min:.6g}")
    return q_min


@dataclass(frozen=True, eq=False)
class MarginPoint:
    """A feasible point of (P): θ~ (P) with q~ (M) ≥ 1, the least of them 1, and `rows` (M, P), one
    element of ∂q_i(θ~) each; `order` is L."""

    theta: Float[Array, " P"]
    q: Float[Array, " M"]
    rows: Float[Array, "M P"]
    order: float

    @classmethod
    def at(
        cls,
        theta: Float[Array, " P"],
        q: Float[Array, " M"],
        rows: Float[Array, "M P"],
        order: float,
        rescaling: Rescaling | None = None,
    ) -> MarginPoint:
        """θ with its margins and gradients, scaled uniformly or as `rescaling` says.

        Raises:
            ValueError: q_min ≤ 0, or rows that break Euler's ⟨θ, ∂q_i⟩ = L q_i.
        """
        size = np.linalg.norm(theta) * np.linalg.norm(rows, axis=1)
        off = np.abs(rows @ theta - order * q)
        if (off > EULER * np.maximum(size, order * np.abs(q))).any():
            worst = int(np.argmax(off - EULER * size))
            raise ValueError(
                f"the gradient of constraint {worst} breaks Euler's identity for order {order:g}: "
                f"⟨θ, ∂q⟩ = {float(rows[worst] @ theta):.6g}, L q = {float(order * q[worst]):.6g}"
            )
        scaling = rescaling or uniform_rescaling(theta, q, order)
        # Division gives exactly 1 at the least margin.
        scaled = q / scaling.q_min
        return cls(scaling.theta(theta), scaled, scaling.gradients(rows), order)

    @property
    def norm(self) -> float:
        """‖θ~‖ = γ̄^{−1/L}."""
        return float(np.linalg.norm(self.theta))


def class_margins(
    outputs: Float[Array, "n C"], y: Float[Array, " n"]
) -> tuple[Float[Array, " M"], Int[Array, "M 2"]]:
    """s_ij = Φ_{y_i}(x_i) − Φ_j(x_i) for all j ≠ y_i, M = n (C − 1), and the pairs (i, j)."""
    classes = outputs.shape[1]
    label = y.astype(np.intp)
    sample, other = np.nonzero(np.arange(classes)[None, :] != label[:, None])
    s = outputs[sample, label[sample]] - outputs[sample, other]
    return s, np.column_stack([sample, other]).astype(np.int64)
