"""Deep linear networks of any depth and number of outputs, by the product of their matrices.

With A_k = w_L ⋯ w_{k+1} (C, d_k) and the samples' sum S_0 = Σ_i r_i x_iᵀ (C, d), r_i = ∂𝓛/∂Φ(x_i) (C),

    Φ(x) = A_0 x,   S_k = S_{k−1} w_kᵀ,   ∂𝓛/∂w_k = A_kᵀ S_{k−1}:

with one output every layer's gradient is the product of two vectors. A step costs
O(C (n d + Σ d_k d_{k−1})) whatever n: layers never meet samples.

shape: b, L, d_0, …, d_L with d_L = C. work: A_0, …, A_L, then S_0, …, S_{L−1}, each (C, d_k) in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.models.deep_linear import DeepLinear
from workbench.models.structure import Structure


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`. Leaves A_0, …, A_L in `work`."""
    b, depth = shape[0], shape[1]
    classes = shape[2 + depth]
    above = 0
    for k in range(depth):
        above += classes * shape[2 + k]
    for c in range(classes):
        row = work[above + c * classes : above + (c + 1) * classes]
        row[:] = 0.0
        row[c] = 1.0
    w = theta.size
    for k in range(depth, 0, -1):
        rows, columns = shape[2 + k], shape[1 + k]
        w -= rows * columns
        here = above - classes * columns
        for c in range(classes):
            total = work[here + c * columns : here + (c + 1) * columns]
            total[:] = 0.0
            for j in range(rows):
                factor = work[above + c * rows + j]
                row = theta[w + j * columns : w + (j + 1) * columns]
                for m in range(columns):
                    total[m] += factor * row[m]
        above = here
    for c in range(classes):
        product = work[c * shape[2] : (c + 1) * shape[2]]
        for i in range(b):
            outputs[i * classes + c] = 0.0
        for k in range(shape[2]):
            for i in range(b):
                outputs[i * classes + c] += product[k] * x[k, i]


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`. Reads A_1, …, A_L from `work`."""
    b, depth, d = shape[0], shape[1], shape[2]
    classes = shape[2 + depth]
    below = 0
    for k in range(depth + 1):
        below += classes * shape[2 + k]
    for c in range(classes):
        for k in range(d):
            total = 0.0
            for i in range(b):
                total += weights[i * classes + c] * x[k, i]
            work[below + c * d + k] = total
    w, above = 0, classes * d
    for k in range(1, depth + 1):
        rows, columns = shape[2 + k], shape[1 + k]
        here = below + classes * columns
        for j in range(rows):
            row = theta[w + j * columns : w + (j + 1) * columns]
            out = gradient[w + j * columns : w + (j + 1) * columns]
            for c in range(classes):
                factor = work[above + c * rows + j]
                part = work[below + c * columns : below + (c + 1) * columns]
                if c == 0:
                    for m in range(columns):
                        out[m] = factor * part[m]
                else:
                    for m in range(columns):
                        out[m] += factor * part[m]
                if k < depth:
                    total = 0.0
                    for m in range(columns):
                        total += row[m] * part[m]
                    work[here + c * rows + j] = total
        w += rows * columns
        above += classes * rows
        below = here


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a DeepLinear."""
    if type(model) is not DeepLinear:
        return None
    sizes = [structure.parameters[0].shape[1], *(p.shape[0] for p in structure.parameters)]

    def shape(b: int) -> Array:
        return np.array([b, model.depth, *sizes], dtype=np.int64)

    room = model.outputs * (2 * sum(sizes) - model.outputs)
    return NetworkKernel(forward, backward, shape, np.zeros(0), lambda b: room, model.outputs)
