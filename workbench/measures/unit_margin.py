"""The margin at parameters of norm 1, for networks without an order: min_i y_i Φ(θ/‖θ‖; x_i) (VSS22 §6)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float
from workbench.measures.margins import sample_margins
from workbench.norms.l2 import L2

if TYPE_CHECKING:
    from torch import nn

MOST_NUMBERS = 1e5
"""Most parameters × samples: every record costs a pass of the network of its own."""


class UnitMargin:
    """The smallest margin of a network at θ/‖θ‖, on a copy of it in float64 on the CPU.

    Where the network has an order this is q_min/ρ^L. `x` (n, …): the samples; `y` (n): their labels.
    """

    def __init__(self, network: nn.Module, x: Array, y: Float[np.ndarray, " n"]) -> None:
        import torch

        from workbench.models.network import flatten

        self._network = copy.deepcopy(network)
        self._flat = flatten(self._network, torch.float64, torch.device("cpu"))
        self._x, self._y = torch.from_numpy(np.asarray(x, dtype=np.float64)), y

    def compute(self, theta: Float[np.ndarray, "T P"]) -> Float[np.ndarray, " T"]:
        """The margin at every record, each by itself; NaN at the origin."""
        import torch

        size = L2().norm(theta)
        found = np.full(len(theta), np.nan)
        with torch.no_grad():
            for row in np.flatnonzero(size > 0.0):
                self._flat.copy_(torch.from_numpy(theta[row] / size[row]))
                outputs = self._network(self._x).numpy()
                outputs = outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
                found[row] = sample_margins(outputs[None], self._y).min()
        return found
