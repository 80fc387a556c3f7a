"""Saliency maps: the gradient of a network's output in its input (JT20 §1.2)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float

if TYPE_CHECKING:
    from torch import nn


def saliency_maps(
    model: nn.Module, theta: Float[Array, "T P"], x: Float[Array, "n d"]
) -> Float[Array, "T n d"]:
    """∇_x Φ(x_i; θ) at T states, of a network with one output that treats samples by themselves.

    On a copy, in float64 on the CPU; on a kink one selection.
    """
    import torch

    from workbench.models.network import flatten

    own = copy.deepcopy(model)
    flat = flatten(own, torch.float64, torch.device("cpu"))
    inputs = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)).requires_grad_(True)
    found = np.empty((len(theta), *x.shape))
    for row, state in enumerate(theta):
        with torch.no_grad():
            flat.copy_(torch.from_numpy(np.ascontiguousarray(state)))
        (maps,) = torch.autograd.grad(own(inputs).sum(), inputs)
        found[row] = maps.numpy()
    return found
