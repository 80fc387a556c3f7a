"""One filter over disjoint patches, linear or ReLU: VSS22 Theorem 4.4."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.models.network import Network, activate
from workbench.models.structure import Layer


class SharedPatches(Network):
    """Φ(x) = Σ_j v_j σ(⟨w, x^(j)⟩), x^(j) the j-th of `patches` parts of x, w (d/patches), v (patches).

    2-homogeneous, 1 by layers; `activation` is "linear" or "relu". `patches` must divide d.
    """

    def __init__(self, d: int, patches: int, activation: str) -> None:
        super().__init__()
        self.patches = patches
        self.activation = activation
        self.w = nn.Parameter(torch.zeros(d // patches, dtype=torch.float64))
        self.v = nn.Parameter(torch.zeros(patches, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, …)."""
        parts = x.reshape(x.shape[0], self.patches, -1)
        return activate(parts @ self.w, self.activation) @ self.v

    def layers(self) -> tuple[Layer, ...]:
        """w, then v."""
        return (Layer("w", ("w",), order=1.0), Layer("v", ("v",), order=1.0))

    def neurons(self) -> None:
        """None: all units have the one filter w."""
