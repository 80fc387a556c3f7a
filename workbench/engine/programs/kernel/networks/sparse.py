"""Networks with missing weights, linear or ReLU: Φ(x) = W_L σ(… σ(W_1 x)), weight by weight (VSS22 §2).

θ is the free weights of W_1, …, W_L, each row by row. shape: b, L, d, then rows and number of weights of
each layer, then row and column of each weight in θ's order. fixed: the leak, 1 where it is linear. work:
σ's values h_1, …, h_{L−1} and the outputs, (rows_k, b), then their derivatives, as many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks.activation import activate, gate
from workbench.models.sparse import Sparse
from workbench.models.structure import Structure


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`."""
    b, depth, leak = shape[0], shape[1], fixed[0]
    places = shape[3 + 2 * depth :].reshape(theta.size, 2)
    below = x
    w = h = 0
    for k in range(depth):
        rows = shape[3 + 2 * k]
        values = work[h : h + rows * b]
        values[:] = 0.0
        here = values.reshape(rows, b)
        for e in range(w, w + shape[4 + 2 * k]):
            weight, out, seen = theta[e], here[places[e, 0]], below[places[e, 1]]
            for i in range(b):
                out[i] += weight * seen[i]
        if k < depth - 1:
            activate(values, leak)
        below = here
        w += shape[4 + 2 * k]
        h += rows * b
    for i in range(b):
        outputs[i] = below[0, i]


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`. With h_k = σ(s_k), ∂/∂s_k takes h_k's place once ∂/∂W_{k+1} is known."""
    b, depth, leak = shape[0], shape[1], fixed[0]
    places = shape[3 + 2 * depth :].reshape(theta.size, 2)
    h = 0
    for k in range(depth - 1):
        h += shape[3 + 2 * k] * b
    spare = h + b
    slope = work[h:spare].reshape(1, b)
    for i in range(b):
        slope[0, i] = weights[i]
    w = theta.size
    for k in range(depth - 1, -1, -1):
        w -= shape[4 + 2 * k]
        if k == 0:
            for e in range(w, w + shape[4 + 2 * k]):
                total, up, seen = 0.0, slope[places[e, 0]], x[places[e, 1]]
                for i in range(b):
                    total += up[i] * seen[i]
                gradient[e] = total
            return
        rows = shape[1 + 2 * k]
        h -= rows * b
        values = work[h : h + rows * b]
        pulled = work[spare : spare + rows * b]
        pulled[:] = 0.0
        down, below = pulled.reshape(rows, b), values.reshape(rows, b)
        for e in range(w, w + shape[4 + 2 * k]):
            weight, total = theta[e], 0.0
            up, seen, out = slope[places[e, 0]], below[places[e, 1]], down[places[e, 1]]
            for i in range(b):
                total += up[i] * seen[i]
                out[i] += weight * up[i]
            gradient[e] = total
        gate(pulled, values, leak)
        slope = below


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a Sparse."""
    if type(model) is not Sparse:
        return None
    depth = len(model.shapes)
    columns = model.shapes[0][1]
    sizes: list[int] = []
    places: list[Array] = []
    for k, (rows, width) in enumerate(model.shapes, start=1):
        place = model.get_buffer(f"place{k}").cpu().numpy()
        sizes += [rows, len(place)]
        places.append(np.stack([place // width, place % width], axis=1))
    flat = np.concatenate(places).reshape(-1)

    def shape(b: int) -> Array:
        return np.concatenate([[b, depth, columns], sizes, flat]).astype(np.int64)

    rows_of = [rows for rows, _ in model.shapes]
    room = sum(rows_of) + max(rows_of)
    fixed = np.array([1.0 if model.activation == "linear" else 0.0])
    return NetworkKernel(forward, backward, shape, fixed, lambda b: room * b)
