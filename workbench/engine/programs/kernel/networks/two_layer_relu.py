"""Two-layer (leaky) ReLU networks, both layers trained: Φ(x) = Σ_k v_k σ(⟨u_k, x⟩) (KH24 Lemma H.1).

∂Φ/∂v_k = σ(⟨u_k, x⟩), ∂Φ/∂u_k = v_k σ'(⟨u_k, x⟩) x. θ is u (H, d) row by row, then v (H); `shape` =
(b, d, H), `fixed` = the leak, `work` holds σ(⟨u_k, x_i⟩), (H, b).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.models.structure import Structure
from workbench.models.two_layer_relu import TwoLayerRelu


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """Outputs (b)."""
    b, d, width = shape[0], shape[1], shape[2]
    leak = fixed[0]
    outputs[:] = 0.0
    for k in range(width):
        a = work[k * b : (k + 1) * b]
        a[:] = 0.0
        for j in range(d):
            u = theta[k * d + j]
            for i in range(b):
                a[i] += u * x[j, i]
        v = theta[width * d + k]
        for i in range(b):
            active = a[i] if a[i] > 0.0 else leak * a[i]
            a[i] = active
            outputs[i] += v * active


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """Gradient (H·d + H)."""
    b, d, width = shape[0], shape[1], shape[2]
    leak = fixed[0]
    for k in range(width):
        a = work[k * b : (k + 1) * b]
        v = theta[width * d + k]
        total = 0.0
        for i in range(b):
            total += a[i] * weights[i]
            a[i] = (v if a[i] > 0.0 else v * leak) * weights[i]
        gradient[width * d + k] = total
        for j in range(d):
            total = 0.0
            for i in range(b):
                total += a[i] * x[j, i]
            gradient[k * d + j] = total


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a TwoLayerRelu."""
    if type(model) is not TwoLayerRelu:
        return None
    width, d = model.u.shape

    def shape(b: int) -> Array:
        return np.array([b, d, width], dtype=np.int64)

    return NetworkKernel(forward, backward, shape, np.array([model.leak]), lambda b: width * b)
