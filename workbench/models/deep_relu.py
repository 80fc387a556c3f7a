"""Fully connected (leaky) ReLU networks of any depth, without biases."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from workbench.models.network import Network, leaky
from workbench.models.structure import Layer, Matrix, Neurons


class DeepRelu(Network):
    """Φ(x) = w_L σ(w_{L−1} … σ(w_1 x)); L-homogeneous, each layer 1-homogeneous.

    w_k has shape (width_k, width_{k−1}); the last has one row an output.
    """

    def __init__(self, d: int, widths: Sequence[int], outputs: int, leak: float) -> None:
        super().__init__()
        sizes = [d, *widths, outputs]
        self.depth = len(sizes) - 1
        self.outputs = outputs
        self.leak = leak
        for k, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            zeros = torch.zeros(fan_out, fan_in, dtype=torch.float64)
            self.register_parameter(f"w{k}", nn.Parameter(zeros))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n), or (n, C) with several, for inputs (n, …)."""
        h = x.flatten(1)
        for k in range(1, self.depth):
            h = leaky(h @ self._weight(k).T, self.leak)
        out = h @ self._weight(self.depth).T
        return out[:, 0] if self.outputs == 1 else out

    def _weight(self, k: int) -> Tensor:
        """w_k; a plain tensor while torch.func stands in for the parameters."""
        weight: Tensor = getattr(self, f"w{k}")
        return weight

    def layers(self) -> tuple[Layer, ...]:
        """w1 … wL."""
        found = []
        for k in range(1, self.depth + 1):
            rows, columns = self.get_parameter(f"w{k}").shape
            leak = self.leak if k < self.depth else 1.0
            found.append(
                Layer(f"w{k}", (f"w{k}",), matrix=Matrix(f"w{k}", (rows, columns), leak=leak))
            )
        return tuple(found)

    def neurons(self) -> Neurons:
        """Rows of the first layer; with one hidden layer and one output, pairs (w1_k, w2_k) that separate."""
        if self.depth == 2 and self.outputs == 1:
            return Neurons("two-layer-relu", "w1", outgoing="w2", leak=self.leak)
        return Neurons("rows", "w1", leak=self.leak)
