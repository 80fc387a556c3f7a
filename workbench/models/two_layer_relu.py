"""Two-layer (leaky) ReLU networks, both layers trained: KH24 Lemma H.1, VSS22 §3–4."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.models.network import Network, leaky
from workbench.models.structure import Layer, Neurons


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

    def layers(self) -> tuple[Layer, ...]:
        """u, then v."""
        return (Layer("u", ("u",)), Layer("v", ("v",)))

    def neurons(self) -> Neurons:
        """Pairs (u_k, v_k)."""
        return Neurons("two-layer-relu", "u", outgoing="v", leak=self.leak)
