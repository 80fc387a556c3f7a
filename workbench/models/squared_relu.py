"""Squared (leaky) ReLU neurons with fixed output signs: KH24 §6, JT20 Prop. 4.6."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config.models import SquaredReluModel
from workbench.models.network import Needs, Network, leaky
from workbench.models.signs import fixed_signs
from workbench.models.structure import Description, Layer, Neurons


class SquaredRelu(Network):
    """Φ(x) = Σ_k s_k σ(⟨u_k, x⟩)², u (H, d), s_k = ±1 fixed; 2-homogeneous."""

    signs: Tensor

    def __init__(self, d: int, width: int, leak: float, signs: Tensor) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.zeros(width, d, dtype=torch.float64))
        self.leak = leak
        self.register_buffer("signs", signs)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, d)."""
        return leaky(x @ self.u.T, self.leak).square() @ self.signs

    def describe(self) -> Description:
        """The one layer u, whose rows are neurons that separate, each with its sign."""
        signs = tuple(self.signs.tolist())
        return Description(
            layers=(Layer("u", ("u",)),),
            neurons=Neurons("u", signs=signs, leak=self.leak, ncf="squared-relu"),
            smooth_gates=True,
        )


def build(table: SquaredReluModel, needs: Needs) -> SquaredRelu:
    """The network of its table."""
    signs = fixed_signs(table.signs, table.width, needs.seed)
    return SquaredRelu(needs.d, table.width, table.leak, signs)
