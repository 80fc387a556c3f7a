"""Diagonal networks, linear or ReLU: VSS22 §2, Theorems 4.1 and 5.1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.models.network import Network, activate
from workbench.models.structure import Layer


class Diagonal(Network):
    """h_0 = x, h_j = σ(w_j ∘ h_{j−1}) for j < m, Φ(x) = ⟨w_m, h_{m−1}⟩; w_j (d); m-homogeneous, 1 by layers.

    `activation` is "linear" or "relu".
    """

    def __init__(self, d: int, depth: int, activation: str) -> None:
        super().__init__()
        self.d = d
        self.depth = depth
        self.activation = activation
        for j in range(1, depth + 1):
            self.register_parameter(f"w{j}", nn.Parameter(torch.zeros(d, dtype=torch.float64)))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, …)."""
        h = x.flatten(1)
        for j in range(1, self.depth):
            h = activate(h * self._weight(j), self.activation)
        return h @ self._weight(self.depth)

    def _weight(self, j: int) -> Tensor:
        """w_j; a plain tensor while torch.func stands in for the parameters."""
        weight: Tensor = getattr(self, f"w{j}")
        return weight

    def layers(self) -> tuple[Layer, ...]:
        """w1 … wm; a hidden unit sums one number, the output d."""
        names = [f"w{j}" for j in range(1, self.depth + 1)]
        fan_ins = [1] * (self.depth - 1) + [self.d]
        return tuple(
            Layer(name, (name,), order=1.0, fan_in=fan_in)
            for name, fan_in in zip(names, fan_ins, strict=True)
        )

    def neurons(self) -> None:
        """None: a hidden unit sees one coordinate, so it has no direction."""
