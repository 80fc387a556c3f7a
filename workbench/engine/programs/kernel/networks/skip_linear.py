"""A linear network with a skip connection: Φ(x) = ⟨v, w x⟩ + ⟨u, x⟩ (VSS22 Theorem 6.1).

Φ(x) = ⟨wᵀv + u, x⟩, and with S = Σ_i r_i x_i the gradients are v Sᵀ, w S and S: O(n d + H d) a step.

θ is w (H, d), v (H), u (d); shape: b, d, H. work: wᵀv + u (d), which then gives way to S.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.models.skip_linear import SkipLinear
from workbench.models.structure import Structure


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`."""
    d, width = shape[1], shape[2]
    v, u = theta[width * d : width * (d + 1)], theta[width * (d + 1) :]
    for k in range(d):
        work[k] = u[k]
    for j in range(width):
        factor, row = v[j], theta[j * d : (j + 1) * d]
        for k in range(d):
            work[k] += factor * row[k]
    outputs[:] = 0.0
    for k in range(d):
        factor, row = work[k], x[k]
        for i in range(row.size):
            outputs[i] += factor * row[i]


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`."""
    d, width = shape[1], shape[2]
    v = theta[width * d : width * (d + 1)]
    for k in range(d):
        row, total = x[k], 0.0
        for i in range(row.size):
            total += weights[i] * row[i]
        work[k] = total
        gradient[width * (d + 1) + k] = total
    for j in range(width):
        factor, row, out = v[j], theta[j * d : (j + 1) * d], gradient[j * d : (j + 1) * d]
        total = 0.0
        for k in range(d):
            out[k] = factor * work[k]
            total += row[k] * work[k]
        gradient[width * d + j] = total


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a SkipLinear."""
    if type(model) is not SkipLinear:
        return None
    width, d = model.w.shape

    def shape(b: int) -> Array:
        return np.array([b, d, width], dtype=np.int64)

    return NetworkKernel(forward, backward, shape, np.zeros(0), lambda b: d)
