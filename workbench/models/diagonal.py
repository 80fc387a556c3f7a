"""Diagonal networks, linear or ReLU: VSS22 §2, Theorems 4.1 and 5.1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config.models import DiagonalModel
from workbench.models.network import Needs, Network, activate
from workbench.models.structure import Description, Layer, Matrix, Neurons


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

    def describe(self) -> Description:
        """w1 … wm; a hidden unit sums one number, the output d. The pairs (w1_j, w2_j) of the coordinates
        are neurons of known order for depth 2 alone."""
        d, leak = self.d, 1.0 if self.activation == "linear" else 0.0
        place = tuple(j * (d + 1) for j in range(d))
        hidden = [Matrix(f"w{j}", (d, d), place, leak) for j in range(1, self.depth)]
        last = Matrix(f"w{self.depth}", (1, d))
        layers = [Layer(m.parameter, (m.parameter,), 1.0, fan_in=1, matrix=m) for m in hidden]
        layers.append(Layer(last.parameter, (last.parameter,), 1.0, fan_in=d, matrix=last))
        neurons = Neurons("w1", outgoing="w2", leak=leak, ncf="two-layer-relu", apart=True)
        return Description(
            layers=tuple(layers),
            neurons=neurons if self.depth == 2 else None,
            inseparable=""
            if self.depth == 2
            else f"The coordinates of a diagonal network of depth {self.depth} separate, of that order; "
            "their correlation functions are computed for depth 2.",
            stages=(*hidden, last),
            linear=self.activation == "linear",
        )


def build(table: DiagonalModel, needs: Needs) -> Diagonal:
    """The network of its table."""
    return Diagonal(needs.d, table.depth, table.activation)
