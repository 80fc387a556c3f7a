"""Deep linear networks: JT19, VSS22 §3 and §5, JT20 Prop. 4.4."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from workbench.config.models import DeepLinearModel
from workbench.models.network import Needs, Network
from workbench.models.structure import Description, Layer, Matrix, Neurons


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

    def describe(self) -> Description:
        """w1 … wL. Neurons are rows of the first layer: JT19 Theorem 2.2 turns them all to ±ū. With one
        hidden layer and one output, pairs (w1_k, w2_k) that separate."""
        names = [f"w{k}" for k in range(1, self.depth + 1)]
        shapes = [self.get_parameter(name).shape for name in names]
        matrices = tuple(Matrix(n, (s[0], s[1])) for n, s in zip(names, shapes, strict=True))
        neurons = Neurons("w1", leak=1.0)
        if self.depth == 2 and self.outputs == 1:
            neurons = Neurons("w1", outgoing="w2", leak=1.0, ncf="two-layer-relu")
        return Description(
            layers=tuple(Layer(m.parameter, (m.parameter,), order=1.0, matrix=m) for m in matrices),
            neurons=neurons,
            stages=matrices,
            linear=True,
        )


def build(table: DeepLinearModel, needs: Needs) -> DeepLinear:
    """The network of its table."""
    return DeepLinear(needs.d, table.hidden, needs.outputs)
