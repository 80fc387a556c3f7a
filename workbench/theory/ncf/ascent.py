"""What a batch of ascents on the sphere hands back."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.numerics.outcome import Outcome


@dataclass(frozen=True, eq=False)
class Ascent:
    """`direction` (B, p): unit ends, one a start; those of blocks that were not begun are their starts.

    `outcome`: iterations are those of the longest block.
    """

    direction: Float[Array, "B p"]
    outcome: Outcome
