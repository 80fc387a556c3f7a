"""The homogeneous Mexican hat, whose flow goes round a circle for ever: LL20 Appendix I.

With u = x/ρ, v = y/ρ, w = z/ρ (so that 1 − r² = w², r² = u² + v²) and φ the angle of (u, v),

    h = ρ^L (1 − f),   f = e^{−1/w²} (1 − C sin(φ − 1/w²)),   C = 4r⁴/(4r⁴ + w^{2k}).

The paper prints k = 4, which is right for the hat in the plane (Absil et al. 2005). On the sphere r moves
by −(1 − r²) ∂f/∂r; the proof of Theorem I.1 drops that 1 − r² in the line for dψ/dt, and
ψ = φ − 1/(1 − r²) = 0 is kept for k = 3 and not for k = 4.

Near r = 1: 1 − r² is taken as (z/ρ)², which cancels nothing; e^{−1/w²} underflows to 0 below
w² ≈ 1/745, where f and its gradient are 0 to rounding; sin and cos there are of arguments
below 745. At z = 0, h = ρ^L and nothing is divided by 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config.models import MexicanHatModel
from workbench.models.network import Needs, Network
from workbench.models.structure import Description, Layer, Neurons

LEAST = 1.0 / 800.0
"""w² below which e^{−1/w²} is 0 in floating point."""


class MexicanHat(Network):
    """Φ(θ; x) = h(θ) whatever the input, θ = (x, y, z) ≠ 0: `plane` (1, 2) and `height` (1); of order L.

    (x, y) is declared as one planar neuron, so that what shows neurons shows the circling.
    """

    def __init__(self, order: float, power: int) -> None:
        super().__init__()
        self.plane = nn.Parameter(torch.zeros(1, 2, dtype=torch.float64))
        self.height = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.order, self.power = order, power

    def forward(self, x: Tensor) -> Tensor:
        """h (n) for inputs (n, …), the same for each."""
        # θ over its largest entry, a constant to autograd: ρ² would leave the floats before ρ does.
        top = torch.cat([self.plane[0], self.height]).detach().abs().max()
        plane, height = self.plane[0] / top, self.height[0] / top
        rho = (plane.square().sum() + height.square()).sqrt()
        return ((top * rho) ** self.order * (1.0 - self._dent(plane / rho, height / rho))).expand(
            len(x)
        )

    def _dent(self, flat: Tensor, w: Tensor) -> Tensor:
        """f at (u, v) and w."""
        (u, v), r2, w2 = flat, flat.square().sum(), w.square()
        inside = w2 > LEAST
        steep = 1.0 / torch.where(inside, w2, torch.ones_like(w2))
        # C sin(φ − 1/w²) with r sin φ = v: no angle, which would have none at r = 0.
        whole = 4.0 * r2.square() + w2**self.power
        turned = 4.0 * r2**1.5 * (v * torch.cos(steep) - u * torch.sin(steep)) / whole
        return torch.where(inside, torch.exp(-steep) * (1.0 - turned), torch.zeros_like(w2))

    def describe(self) -> Description:
        """All of θ as one layer, as its parts have no order by themselves; (x, y) as a neuron."""
        return Description(
            layers=(Layer("theta", ("plane", "height"), self.order),),
            neurons=Neurons("plane", leak=1.0),
        )


def build(table: MexicanHatModel, needs: Needs) -> MexicanHat:
    """The network of its table, whatever the inputs."""
    return MexicanHat(table.order, table.power)
