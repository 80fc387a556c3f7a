"""Diagonal networks, linear or ReLU: VSS22 §2, Theorems 4.1 and 5.1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.models.network import Network, activate
from workbench.models.structure import Layer, Matrix, Neurons


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
        d, leak = self.d, 1.0 if self.activation == "linear" else 0.0
        place = tuple(j * (d + 1) for j in range(d))
        found = []
        for j in range(1, self.depth):
            matrix = Matrix(f"w{j}", (d, d), place, leak)
            found.append(Layer(f"w{j}", (f"w{j}",), order=1.0, fan_in=1, matrix=matrix))
        last = f"w{self.depth}"
        found.append(Layer(last, (last,), order=1.0, fan_in=d, matrix=Matrix(last, (1, d))))
        return tuple(found)

    def neurons(self) -> Neurons | None:
        """The pairs (w1_j, w2_j) of the coordinates, for depth 2; None for depths of another order."""
        if self.depth != 2:
            return None
        leak = 1.0 if self.activation == "linear" else 0.0
        return Neurons("diagonal", "w1", outgoing="w2", leak=leak)
