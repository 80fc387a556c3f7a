"""Deep linear networks: JT19, VSS22 §3 and §5, JT20 Prop. 4.4."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from workbench.models.network import Network
from workbench.models.structure import Layer, Matrix, Neurons


class DeepLinear(Network):
    """Φ(x) = w_L ⋯ w_1 x, without biases; L-homogeneous, 1 by layers.

    w_k has shape (width_k, width_{k−1}); the last has one row an output. No hidden widths: a linear
    predictor.
    """

    def __init__(self, d: int, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        sizes = [d, *widths, outputs]
        self.depth = len(sizes) - 1
        self.outputs = outputs
        for k, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            zeros = torch.zeros(fan_out, fan_in, dtype=torch.float64)
            self.register_parameter(f"w{k}", nn.Parameter(zeros))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n), or (n, C) with several, for inputs (n, …)."""
        h = x.flatten(1)
        for k in range(1, self.depth + 1):
            weight: Tensor = getattr(self, f"w{k}")
            h = h @ weight.T
        return h[:, 0] if self.outputs == 1 else h

    def layers(self) -> tuple[Layer, ...]:
        """w1 … wL."""
        found = []
        for k in range(1, self.depth + 1):
            rows, columns = self.get_parameter(f"w{k}").shape
            matrix = Matrix(f"w{k}", (rows, columns))
            found.append(Layer(f"w{k}", (f"w{k}",), order=1.0, matrix=matrix))
        return tuple(found)

    def neurons(self) -> Neurons:
        """Rows of the first layer: JT19 Theorem 2.2 turns them all to ±ū. With one hidden layer and one
        output, pairs (w1_k, w2_k) that separate."""
        if self.depth == 2 and self.outputs == 1:
            return Neurons("two-layer-relu", "w1", outgoing="w2", leak=1.0)
        return Neurons("rows", "w1", leak=1.0)
