"""A linear network with a skip connection, which is not homogeneous: VSS22 Theorem 6.1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config.models import SkipLinearModel
from workbench.models.network import Needs, Network
from workbench.models.structure import Description, Layer, Neurons


class SkipLinear(Network):
    """Φ(x) = ⟨v, w x⟩ + ⟨u, x⟩, w (width, d), v (width), u (d); for d = width = 1, vwx + ux.

    No order: the first term is of order 2, the second of order 1.
    """

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(width, d, dtype=torch.float64))
        self.v = nn.Parameter(torch.zeros(width, dtype=torch.float64))
        self.u = nn.Parameter(torch.zeros(d, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, …)."""
        h = x.flatten(1)
        return (h @ self.w.T) @ self.v + h @ self.u

    def describe(self) -> Description:
        """w, v, u, of which none has an order by itself; neurons are the rows of w."""
        return Description(
            layers=(Layer("w", ("w",)), Layer("v", ("v",)), Layer("u", ("u",))),
            neurons=Neurons("w", leak=1.0),
            linear=True,
        )


def build(table: SkipLinearModel, needs: Needs) -> SkipLinear:
    """The network of its table."""
    return SkipLinear(needs.d, table.width)
