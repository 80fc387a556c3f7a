"""Deep linear networks of any depth and number of outputs, by the product of their matrices.

With A_k = w_L ⋯ w_{k+1} (C, d_k) and the samples' sum S_0 = Σ_i r_i x_iᵀ (C, d), r_i = ∂𝓛/∂Φ(x_i) (C),

    Φ(x) = A_0 x,   S_k = S_{k−1} w_kᵀ,   ∂𝓛/∂w_k = A_kᵀ S_{k−1}:

with one output every layer's gradient is the product of two vectors. A step costs
O(C (n d + Σ d_k d_{k−1})) whatever n: layers never meet samples.

shape: b, L, d_0, …, d_L with d_L = C. work: A_0, …, A_L, then S_0, …, S_{L−1}, each (C, d_k) in order,
and one number a sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled, part
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.models.deep_linear import DeepLinear
from workbench.models.structure import Structure


@part
def pull(matrix: Any, v: Any, out: Any) -> None:
    """out (columns) = vᵀ M, M (rows, columns) row by row; four rows at once, as `out` is read and written."""
    columns = out.size
    out[:] = 0.0
    fours = v.size - v.size % 4
    for j in range(0, fours, 4):
        r0, r1, r2, r3 = _four_rows(matrix, j, columns)
        f0, f1, f2, f3 = v[j], v[j + 1], v[j + 2], v[j + 3]
        for m in range(columns):
            out[m] += (f0 * r0[m] + f1 * r1[m]) + (f2 * r2[m] + f3 * r3[m])
    for j in range(fours, v.size):
        row, factor = matrix[j * columns : (j + 1) * columns], v[j]
        for m in range(columns):
            out[m] += factor * row[m]


@part
def push(matrix: Any, v: Any, out: Any) -> None:
    """out (rows) = M v; four rows at once, as each is short."""
    columns = v.size
    fours = out.size - out.size % 4
    for j in range(0, fours, 4):
        r0, r1, r2, r3 = _four_rows(matrix, j, columns)
        t0 = t1 = t2 = t3 = 0.0
        for m in range(columns):
            t0 += r0[m] * v[m]
            t1 += r1[m] * v[m]
            t2 += r2[m] * v[m]
            t3 += r3[m] * v[m]
        out[j], out[j + 1], out[j + 2], out[j + 3] = t0, t1, t2, t3
    for j in range(fours, out.size):
        row, total = matrix[j * columns : (j + 1) * columns], 0.0
        for m in range(columns):
            total += row[m] * v[m]
        out[j] = total


@part
def _four_rows(matrix: Any, j: Any, columns: Any) -> Any:
    """Rows j, …, j + 3."""
    return (
        matrix[j * columns : (j + 1) * columns],
        matrix[(j + 1) * columns : (j + 2) * columns],
        matrix[(j + 2) * columns : (j + 3) * columns],
        matrix[(j + 3) * columns : (j + 4) * columns],
    )


@part
def outer(u: Any, v: Any, out: Any, first: bool) -> None:
    """out (rows, columns) = u vᵀ, added to what is there unless it is the first."""
    columns = v.size
    for j in range(u.size):
        row, factor = out[j * columns : (j + 1) * columns], u[j]
        if first:
            for m in range(columns):
                row[m] = factor * v[m]
        else:
            for m in range(columns):
                row[m] += factor * v[m]


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`. Leaves A_0, …, A_L in `work`."""
    b, depth = shape[0], shape[1]
    classes = shape[2 + depth]
    above = 0
    for k in range(depth):
        above += classes * shape[2 + k]
    work[above : above + classes * classes] = 0.0
    for c in range(classes):
        work[above + c * classes + c] = 1.0
    w = theta.size
    for k in range(depth, 0, -1):
        rows, columns = shape[2 + k], shape[1 + k]
        w -= rows * columns
        here = above - classes * columns
        matrix = theta[w : w + rows * columns]
        for c in range(classes):
            v = work[above + c * rows : above + (c + 1) * rows]
            pull(matrix, v, work[here + c * columns : here + (c + 1) * columns])
        above = here
    d = shape[2]
    flat, own = x.reshape(d * b), work[work.size - b :]
    for c in range(classes):
        product = work[c * d : (c + 1) * d]
        if classes == 1:
            pull(flat, product, outputs)
        else:
            pull(flat, product, own)
            for i in range(b):
                outputs[i * classes + c] = own[i]


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
    flat, own = x.reshape(d * b), work[work.size - b :]
    for c in range(classes):
        for i in range(b):
            own[i] = weights[i * classes + c]
        push(flat, own, work[below + c * d : below + (c + 1) * d])
    w, above = 0, classes * d
    for k in range(1, depth + 1):
        rows, columns = shape[2 + k], shape[1 + k]
        here = below + classes * columns
        matrix, out = theta[w : w + rows * columns], gradient[w : w + rows * columns]
        for c in range(classes):
            total = work[below + c * columns : below + (c + 1) * columns]
            outer(work[above + c * rows : above + (c + 1) * rows], total, out, c == 0)
            if k < depth:
                push(matrix, total, work[here + c * rows : here + (c + 1) * rows])
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
    return NetworkKernel(forward, backward, shape, np.zeros(0), lambda b: room + b, model.outputs)
