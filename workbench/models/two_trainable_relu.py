"""A three-layer ReLU network with exactly two trainable layers: two-homogeneous, not separable (KH24)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.models.network import Network, leaky
from workbench.models.structure import Layer, Matrix, Neurons


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

    def layers(self) -> tuple[Layer, ...]:
        """w1, then w2."""
        first, second = self.w1.shape, self.w2.shape
        return (
            Layer("w1", ("w1",), matrix=Matrix("w1", (first[0], first[1]), leak=self.leak)),
            Layer("w2", ("w2",), matrix=Matrix("w2", (second[0], second[1]), leak=self.leak)),
        )

    def neurons(self) -> Neurons:
        """Rows of the first layer."""
        return Neurons("rows", "w1", leak=self.leak)
