"""Three (leaky) ReLU layers of which two are trained: Φ(x) = ⟨v, σ(w_2 σ(w_1 x))⟩ (KH24 §5.4).

θ is w_1 (h_1, d), then w_2 (h_2, h_1); shape: b, d, h_1, h_2. fixed: the leak, then v (h_2). work: the
values of the first layer (h_1, b) and of the second (h_2, b), and room for one layer (max h, b).
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
from workbench.models.structure import Structure
from workbench.models.two_trainable_relu import TwoTrainableRelu


@compiled(FORWARD, COUNTED)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`."""
    b, d, first, second = shape[0], shape[1], shape[2], shape[3]
    lower, upper = work[: first * b], work[first * b : (first + second) * b]
    w1, w2 = theta[: first * d].reshape(first, d), theta[first * d :].reshape(second, first)
    np.dot(w1, x, lower.reshape(first, b))
    activate(lower, fixed[0])
    np.dot(w2, lower.reshape(first, b), upper.reshape(second, b))
    activate(upper, fixed[0])
    outputs[:] = 0.0
    for j in range(second):
        v, values = fixed[1 + j], upper[j * b : (j + 1) * b]
        for i in range(b):
            outputs[i] += v * values[i]


@compiled(BACKWARD, COUNTED)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`."""
    b, d, first, second = shape[0], shape[1], shape[2], shape[3]
    lower, upper = work[: first * b], work[first * b : (first + second) * b]
    spare = work[(first + second) * b :]
    for j in range(second):
        v, row = fixed[1 + j], spare[j * b : (j + 1) * b]
        for i in range(b):
            row[i] = v * weights[i]
    gate(spare, upper, fixed[0])
    w2, slope = theta[first * d :].reshape(second, first), upper.reshape(second, b)
    np.dot(slope, lower.reshape(first, b).T, gradient[first * d :].reshape(second, first))
    np.dot(w2.T, slope, spare[: first * b].reshape(first, b))
    gate(spare, lower, fixed[0])
    np.dot(lower.reshape(first, b), x.T, gradient[: first * d].reshape(first, d))


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a TwoTrainableRelu with leak ≥ 0."""
    if type(model) is not TwoTrainableRelu or model.leak < 0.0:
        return None
    in_one_thread()
    first, d = model.w1.shape
    second = len(model.w2)

    def shape(b: int) -> Array:
        return np.array([b, d, first, second], dtype=np.int64)

    signs = model.v.detach().cpu().double().numpy()
    room = first + second + max(first, second)
    fixed = np.concatenate([[model.leak], signs])
    return NetworkKernel(forward, backward, shape, fixed, lambda b: room * b)
