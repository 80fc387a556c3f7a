"""Fully connected (leaky) ReLU networks of any depth and number of outputs: Φ(x) = w_L σ(… σ(w_1 x)).

A step is 3·n·Σ d_k d_{k−1} multiplications, all in matrix products. BLAS does
25 of them a nanosecond from 20×20 on, and plain loops 5 (measured).

shape: b, L, d_0, …, d_L. fixed: the leak. work: σ's values h_1, …, h_{L−1} (d_k, b), outputs (d_L, b),
and room for one more layer (max d_k, b).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.blas import in_one_thread
from workbench.engine.programs.kernel.compiled import BACKWARD, COUNTED, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks.activation import activate, gate
from workbench.models.deep_relu import DeepRelu
from workbench.models.structure import Structure


@compiled(FORWARD, COUNTED)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`."""
    b, depth, leak = shape[0], shape[1], fixed[0]
    below = x
    w = h = 0
    for k in range(1, depth + 1):
        rows, columns = shape[2 + k], shape[1 + k]
        weight = theta[w : w + rows * columns].reshape(rows, columns)
        values = work[h : h + rows * b]
        here = values.reshape(rows, b)
        np.dot(weight, below, here)
        if k < depth:
            activate(values, leak)
        below = here
        w += rows * columns
        h += rows * b
    for c in range(shape[2 + depth]):
        for i in range(b):
            outputs[i * shape[2 + depth] + c] = below[c, i]


@compiled(BACKWARD, COUNTED)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`. With h_k = σ(s_k), ∂/∂s_k = σ'(s_k) ∘ w_{k+1}ᵀ ∂/∂s_{k+1} takes its place."""
    b, depth, leak = shape[0], shape[1], fixed[0]
    classes = shape[2 + depth]
    h = 0
    for k in range(1, depth):
        h += shape[2 + k] * b
    spare = h + classes * b
    slope = work[h:spare].reshape(classes, b)
    for c in range(classes):
        for i in range(b):
            slope[c, i] = weights[i * classes + c]
    w = theta.size
    for k in range(depth, 0, -1):
        rows, columns = shape[2 + k], shape[1 + k]
        w -= rows * columns
        at = gradient[w : w + rows * columns].reshape(rows, columns)
        if k == 1:
            np.dot(slope, x.T, at)
            return
        h -= columns * b
        values = work[h : h + columns * b]
        np.dot(slope, values.reshape(columns, b).T, at)
        pulled = work[spare : spare + columns * b]
        weight = theta[w : w + rows * columns].reshape(rows, columns)
        np.dot(weight.T, slope, pulled.reshape(columns, b))
        gate(pulled, values, leak)
        slope = values.reshape(columns, b)


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a DeepRelu with leak ≥ 0: σ(s) of a negative one does not say on which side of 0 s was."""
    if type(model) is not DeepRelu or model.leak < 0.0:
        return None
    in_one_thread()
    sizes = [structure.parameters[0].shape[1], *(p.shape[0] for p in structure.parameters)]

    def shape(b: int) -> Array:
        return np.array([b, model.depth, *sizes], dtype=np.int64)

    room = sum(sizes[1:]) + max(sizes[1:])
    fixed = np.array([float(model.leak)])
    return NetworkKernel(forward, backward, shape, fixed, lambda b: room * b, model.outputs)
