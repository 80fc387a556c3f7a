"""A three-layer ReLU network with exactly two trainable layers: two-homogeneous, not separable (KH24)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config.models import TwoTrainableReluModel
from workbench.models.network import Needs, Network, leaky
from workbench.models.signs import fixed_signs
from workbench.models.structure import Description, Layer, Matrix, Neurons


class TwoTrainableRelu(Network):
    """Φ(x) = ⟨v, σ(w_2 σ(w_1 x))⟩, w_1 (h_1, d), w_2 (h_2, h_1), v (h_2) fixed at ±1; 2-homogeneous."""

    v: Tensor

    def __init__(self, d: int, widths: tuple[int, int], leak: float, signs: Tensor) -> None:
        super().__init__()
        first, second = widths
        self.w1 = nn.Parameter(torch.zeros(first, d, dtype=torch.float64))
        self.w2 = nn.Parameter(torch.zeros(second, first, dtype=torch.float64))
        self.leak = leak
        self.register_buffer("v", signs)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, d)."""
        return leaky(leaky(x @ self.w1.T, self.leak) @ self.w2.T, self.leak) @ self.v

    def describe(self) -> Description:
        """w1, then w2; neurons are rows of the first layer."""
        (first, d), second = self.w1.shape, len(self.w2)
        lower = Matrix("w1", (first, d), leak=self.leak)
        upper = Matrix("w2", (second, first), leak=self.leak)
        return Description(
            layers=(Layer("w1", ("w1",), matrix=lower), Layer("w2", ("w2",), matrix=upper)),
            neurons=Neurons("w1", leak=self.leak),
            stages=(lower, upper, Matrix("v", (1, second))),
        )


def build(table: TwoTrainableReluModel, needs: Needs) -> TwoTrainableRelu:
    """The network of its table."""
    signs = fixed_signs(table.signs, table.widths[1], needs.seed)
    return TwoTrainableRelu(needs.d, table.widths, table.leak, signs)
