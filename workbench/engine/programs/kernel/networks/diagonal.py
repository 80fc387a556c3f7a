"""Diagonal networks, linear or ReLU: Φ(x) = Σ_k w_m[k] h_{m−1}[k], h_j[k] = σ(w_j[k] h_{j−1}[k]) (VSS22 §2).

A coordinate is a product of numbers: where no gate is shut, h_{m−1}[k] = x[k] Π_{j<m} w_j[k], so that with
S[k] = Σ_i r_i x_i[k] over the samples whose gates are open, ∂𝓛/∂w_j[k] = S[k] Π_{j'≠j} w_j'[k]. Above the
first, a gate is open for all samples or for none: where w_j[k] > 0.

θ is w_1, …, w_m (d) one after another; shape: b, d, m, 1 for ReLU or 0. No work is shared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.models.diagonal import Diagonal
from workbench.models.structure import Structure


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`."""
    d, depth, gated = shape[1], shape[2], shape[3] == 1 and shape[2] > 1
    outputs[:] = 0.0
    for k in range(d):
        row = x[k]
        first = theta[k]
        above = 1.0
        for j in range(1, depth):
            factor = theta[j * d + k]
            if gated and j < depth - 1 and factor <= 0.0:
                factor = 0.0
            above *= factor
        if gated:
            for i in range(row.size):
                below = first * row[i]
                below = 0.0 if below <= 0.0 else below
                outputs[i] += above * below
        else:
            product = first * above
            for i in range(row.size):
                outputs[i] += product * row[i]


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`. Products of the layers below and above j: nothing is divided by a w_j."""
    d, depth, gated = shape[1], shape[2], shape[3] == 1 and shape[2] > 1
    for k in range(d):
        row = x[k]
        total = 0.0
        if gated:
            first = theta[k]
            for i in range(row.size):
                total += weights[i] * (0.0 if first * row[i] <= 0.0 else row[i])
            for j in range(1, depth - 1):
                if theta[j * d + k] <= 0.0:
                    total *= 0.0
        else:
            for i in range(row.size):
                total += weights[i] * row[i]
        below = total
        for j in range(depth):
            gradient[j * d + k] = below
            below *= theta[j * d + k]
        above = 1.0
        for j in range(depth - 1, -1, -1):
            gradient[j * d + k] *= above
            above *= theta[j * d + k]


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a Diagonal."""
    if type(model) is not Diagonal:
        return None
    gated = int(model.activation == "relu")

    def shape(b: int) -> Array:
        return np.array([b, model.d, model.depth, gated], dtype=np.int64)

    return NetworkKernel(forward, backward, shape, np.zeros(0), lambda b: 0)
