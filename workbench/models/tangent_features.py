"""∇Φ(θ; x_i) of single samples: the features of a network's tangent kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array, Float


def tangents(
    outputs: Callable[[Tensor], Tensor], parameters: Sequence[Tensor], x: Array
) -> Float[np.ndarray, "n P"]:
    """∇Φ(θ; x_i) of a network of one output at the present θ; `x` (n, …)."""
    rows = []
    with torch.enable_grad():
        for sample in torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)):
            parts = torch.autograd.grad(
                outputs(sample[None]).reshape(()),
                parameters,
                allow_unused=True,
                materialize_grads=True,
            )
            rows.append(torch.cat([part.reshape(-1) for part in parts]).numpy())
    return np.stack(rows)
