"""g(u) = Σ z_i σ(x_i·u) of merged lines in float64, for values and ascents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.merged_lines import MergedLines


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """g(u) = b·u + Σ_j w_j a_j·u: `base` (d,), `axis` (m, d), `plus`, `minus` (m,), `scale` > 0."""

    base: Float[Array, " d"]
    axis: Float[Array, "m d"]
    plus: Float[Array, " m"]
    minus: Float[Array, " m"]
    scale: float

    def slopes(self, signs: Int[Array, "F m"]) -> Float[Array, "F d"]:
        """s_S for rows of signs; lines with sign 0 are left out."""
        weight = np.where(signs > 0, self.plus, np.where(signs < 0, self.minus, 0.0))
        return self.base + weight @ self.axis

    def value(self, u: Float[Array, "B d"]) -> Float[Array, " B"]:
        """g at vectors."""
        s = u @ self.axis.T
        return u @ self.base + np.sum(np.where(s > 0, self.plus, self.minus) * s, axis=1)


def linear(lines: MergedLines) -> PiecewiseLinear:
    """g of a two-layer neuron; lines without a kink go into the base."""
    smooth, kinked = ~lines.kinked, lines.kinked
    return PiecewiseLinear(
        lines.plus[smooth] @ lines.axis[smooth],
        lines.axis[kinked],
        lines.plus[kinked],
        lines.minus[kinked],
        lines.scale if lines.scale > 0 else 1.0,
    )
