"""Squared (leaky) ReLU neurons with fixed signs: Φ(x) = Σ_k s_k σ(⟨u_k, x⟩)² (KH24 §6).

∂Φ/∂u_k = 2 s_k σ(⟨u_k, x⟩) σ'(⟨u_k, x⟩) x. θ is u (H, d) row by row; `shape` = (b, d, H), `fixed` = the
leak and then s (H), `work` holds σ(⟨u_k, x_i⟩), (H, b).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.models.squared_relu import SquaredRelu
from workbench.models.structure import Structure


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
        sign = fixed[1 + k]
        for i in range(b):
            active = a[i] if a[i] > 0.0 else leak * a[i]
            a[i] = active
            outputs[i] += sign * (active * active)


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """Gradient (H·d)."""
    b, d, width = shape[0], shape[1], shape[2]
    leak = fixed[0]
    for k in range(width):
        a = work[k * b : (k + 1) * b]
        sign = 2.0 * fixed[1 + k]
        for i in range(b):
            gate = sign if a[i] > 0.0 else sign * leak
            a[i] *= gate * weights[i]
        for j in range(d):
            total = 0.0
            for i in range(b):
                total += a[i] * x[j, i]
            gradient[k * d + j] = total


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a SquaredRelu."""
    if type(model) is not SquaredRelu:
        return None
    width, d = model.u.shape

    def shape(b: int) -> Array:
        return np.array([b, d, width], dtype=np.int64)

    signs = model.signs.detach().cpu().double().numpy()
    return NetworkKernel(
        forward, backward, shape, np.concatenate([[model.leak], signs]), lambda b: width * b
    )
