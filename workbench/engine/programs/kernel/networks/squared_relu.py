"""Squared (leaky) ReLU neurons with fixed signs: Φ(x) = Σ_k s_k σ(⟨u_k, x⟩)² (KH24 §6).

∂Φ/∂u_k = 2 s_k σ(⟨u_k, x⟩) σ'(⟨u_k, x⟩) x. θ is u (H, d) row by row; `shape` = (b, d, H, whether ⟨u_k, x_i⟩
is kept for the backward pass), `fixed` = the leak and then s (H), `work` holds ⟨u_k, x_i⟩, (H, b), or of ROWS
neurons at a time; in the plane nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks.dense import ROWS, keeps, products, pulled
from workbench.engine.programs.kernel.networks.plane import plane_gradient, plane_outputs
from workbench.models.squared_relu import SquaredRelu
from workbench.models.structure import Structure


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """Outputs (b)."""
    b, d, width, kept = shape[0], shape[1], shape[2], shape[3]
    leak = fixed[0]
    if d == 2:
        plane_outputs(theta, x, fixed[1:], leak, outputs)
        return
    outputs[:] = 0.0
    for k in range(0, width, ROWS):
        rows = min(ROWS, width - k)
        inner = work[k * b * kept :]
        products(theta, k, rows, d, x, b, inner)
        for r in range(rows):
            s, sign = inner[r * b : (r + 1) * b], fixed[1 + k + r]
            for i in range(b):
                active = s[i] if s[i] > 0.0 else leak * s[i]
                outputs[i] += sign * (active * active)


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """Gradient (H·d)."""
    b, d, width, kept = shape[0], shape[1], shape[2], shape[3]
    leak = fixed[0]
    if d == 2:
        plane_gradient(theta, x, fixed[1:], leak, weights, gradient)
        return
    for k in range(0, width, ROWS):
        rows = min(ROWS, width - k)
        inner = work[k * b * kept :]
        if not kept:
            products(theta, k, rows, d, x, b, inner)
        for r in range(rows):
            s, up = inner[r * b : (r + 1) * b], 2.0 * fixed[1 + k + r]
            down = up * leak * leak
            for i in range(b):
                s[i] *= (up if s[i] > 0.0 else down) * weights[i]
        pulled(inner, rows, x, d, b, gradient[k * d :])


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a SquaredRelu."""
    if type(model) is not SquaredRelu:
        return None
    width, d = model.u.shape

    def shape(b: int) -> Array:
        return np.array([b, d, width, keeps(width, d, b)], dtype=np.int64)

    def work(b: int) -> int:
        return (width if keeps(width, d, b) else ROWS) * b if d != 2 else 0

    signs = model.signs.detach().cpu().double().numpy()
    return NetworkKernel(forward, backward, shape, np.concatenate([[model.leak], signs]), work)
