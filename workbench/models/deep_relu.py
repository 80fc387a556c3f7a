"""Fully connected (leaky) ReLU networks of any depth, without biases."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from workbench.config.models import DeepReluModel
from workbench.models.network import Needs, Network, leaky
from workbench.models.structure import Description, Layer, Matrix, Neurons


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

    def describe(self) -> Description:
        """w1 … wL. Neurons are rows of the first layer; with one hidden layer and one output, pairs
        (w1_k, w2_k) that separate."""
        matrices = []
        for k in range(1, self.depth + 1):
            rows, columns = self.get_parameter(f"w{k}").shape
            leak = self.leak if k < self.depth else 1.0
            matrices.append(Matrix(f"w{k}", (rows, columns), leak=leak))
        neurons = Neurons("w1", leak=self.leak)
        if self.depth == 2 and self.outputs == 1:
            neurons = Neurons("w1", outgoing="w2", leak=self.leak, ncf="two-layer-relu")
        return Description(
            layers=tuple(Layer(m.parameter, (m.parameter,), matrix=m) for m in matrices),
            neurons=neurons,
            stages=tuple(matrices),
        )


def build(table: DeepReluModel, needs: Needs) -> DeepRelu:
    """The network of its table."""
    return DeepRelu(needs.d, table.widths, needs.outputs, table.leak)
