"""Two-layer (leaky) ReLU networks, both layers trained: KH24 Lemma H.1, VSS22 §3–4."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config.models import TwoLayerReluModel
from workbench.models.network import Needs, Network, leaky
from workbench.models.structure import Description, Layer, Matrix, Neurons


class TwoLayerRelu(Network):
    """Φ(x) = Σ_k v_k σ(⟨u_k, x⟩), u (H, d), v (H); 2-homogeneous, (1, 1) by layers."""

    def __init__(self, d: int, width: int, leak: float) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.zeros(width, d, dtype=torch.float64))
        self.v = nn.Parameter(torch.zeros(width, dtype=torch.float64))
        self.leak = leak

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, d)."""
        return leaky(x @ self.u.T, self.leak) @ self.v

    def describe(self) -> Description:
        """u, then v; the pairs (u_k, v_k) separate."""
        width, d = self.u.shape
        return Description(
            layers=(Layer("u", ("u",)), Layer("v", ("v",))),
            neurons=Neurons("u", outgoing="v", leak=self.leak, ncf="two-layer-relu"),
            stages=(Matrix("u", (width, d), leak=self.leak), Matrix("v", (1, width))),
        )


def build(table: TwoLayerReluModel, needs: Needs) -> TwoLayerRelu:
    """The network of its table."""
    return TwoLayerRelu(needs.d, table.width, table.leak)
