"""Two-layer (leaky) ReLU networks, both layers trained: Φ(x) = Σ_k v_k σ(⟨u_k, x⟩) (KH24 Lemma H.1).

∂Φ/∂v_k = σ(⟨u_k, x⟩), ∂Φ/∂u_k = v_k σ'(⟨u_k, x⟩) x. θ is u (H, d) row by row, then v (H); `shape` = (b, d, H,
whether ⟨u_k, x_i⟩ is kept for the backward pass), `fixed` = the leak, `work` holds ⟨u_k, x_i⟩, (H, b), or of
ROWS neurons at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks.dense import ROWS, keeps, products, pulled
from workbench.models.structure import Structure
from workbench.models.two_layer_relu import TwoLayerRelu


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """Outputs (b)."""
    b, d, width, kept = shape[0], shape[1], shape[2], shape[3]
    leak = fixed[0]
    outputs[:] = 0.0
    for k in range(0, width, ROWS):
        rows = min(ROWS, width - k)
        inner = work[k * b * kept :]
        products(theta, k, rows, d, x, b, inner)
        for r in range(rows):
            s, v = inner[r * b : (r + 1) * b], theta[width * d + k + r]
            for i in range(b):
                outputs[i] += v * (s[i] if s[i] > 0.0 else leak * s[i])


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """Gradient (H·d + H)."""
    b, d, width, kept = shape[0], shape[1], shape[2], shape[3]
    leak = fixed[0]
    for k in range(0, width, ROWS):
        rows = min(ROWS, width - k)
        inner = work[k * b * kept :]
        if not kept:
            products(theta, k, rows, d, x, b, inner)
        for r in range(rows):
            s, v = inner[r * b : (r + 1) * b], theta[width * d + k + r]
            down, total = leak * v, 0.0
            for i in range(b):
                total += (s[i] if s[i] > 0.0 else leak * s[i]) * weights[i]
                s[i] = (v if s[i] > 0.0 else down) * weights[i]
            gradient[width * d + k + r] = total
        pulled(inner, rows, x, d, b, gradient[k * d :])


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a TwoLayerRelu."""
    if type(model) is not TwoLayerRelu:
        return None
    width, d = model.u.shape

    def shape(b: int) -> Array:
        return np.array([b, d, width, keeps(width, d, b)], dtype=np.int64)

    def work(b: int) -> int:
        return (width if keeps(width, d, b) else ROWS) * b

    return NetworkKernel(forward, backward, shape, np.array([model.leak]), work)
