"""One filter over disjoint patches, linear or ReLU: Φ(x) = Σ_j v_j σ(⟨w, x^(j)⟩) (VSS22 Theorem 4.4).

θ is w (q), then v (p), with q·p = d. shape: b, q, p. fixed: the leak, 1 where it is linear. work:
σ(⟨w, x_i^(j)⟩), (p, b), and room for one row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks.activation import activate, gate
from workbench.models.shared_patches import SharedPatches
from workbench.models.structure import Structure


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`."""
    b, width, patches = shape[0], shape[1], shape[2]
    outputs[:] = 0.0
    for j in range(patches):
        values = work[j * b : (j + 1) * b]
        values[:] = 0.0
        for k in range(width):
            weight, row = theta[k], x[j * width + k]
            for i in range(b):
                values[i] += weight * row[i]
        activate(values, fixed[0])
        v = theta[width + j]
        for i in range(b):
            outputs[i] += v * values[i]


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`."""
    b, width, patches = shape[0], shape[1], shape[2]
    pulled = work[patches * b : (patches + 1) * b]
    for k in range(width):
        gradient[k] = 0.0
    for j in range(patches):
        values = work[j * b : (j + 1) * b]
        v, total = theta[width + j], 0.0
        for i in range(b):
            total += weights[i] * values[i]
            pulled[i] = v * weights[i]
        gradient[width + j] = total
        gate(pulled, values, fixed[0])
        for k in range(width):
            row, total = x[j * width + k], 0.0
            for i in range(b):
                total += values[i] * row[i]
            gradient[k] += total


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a SharedPatches."""
    if type(model) is not SharedPatches:
        return None
    width, patches = len(model.w), model.patches

    def shape(b: int) -> Array:
        return np.array([b, width, patches], dtype=np.int64)

    fixed = np.array([1.0 if model.activation == "linear" else 0.0])
    return NetworkKernel(forward, backward, shape, fixed, lambda b: (patches + 1) * b)
