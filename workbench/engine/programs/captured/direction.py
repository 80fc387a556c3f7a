"""How far the directions of M θs travel from step to step, on their device; see `engine/trail.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.engine.programs.captured.rules.rule import wide


class Travelled:
    """`path` (M): Σ ‖θ^_{k+1} − θ^_k‖ over the steps; `direction` (M, P): θ/‖θ‖ where it is now, float64."""

    def __init__(self, theta: Tensor) -> None:
        self.direction = theta.new_zeros(theta.shape, dtype=torch.float64)
        self.there = theta.new_zeros(len(theta), dtype=torch.bool)
        self.path = theta.new_zeros(len(theta), dtype=torch.float64)

    def begin(self, theta: Tensor) -> None:
        """The next step leads on from θ (M, P)."""
        direction, there = unit(theta)
        self.direction.copy_(direction)
        self.there.copy_(there)

    def arrive(self, theta: Tensor, alive: Tensor) -> None:
        """A step has led the members that are `alive` (M) to θ (M, P)."""
        direction, there = unit(theta)
        chord = torch.linalg.vector_norm(direction - self.direction, dim=1)
        self.path.add_(chord.masked_fill(~(there & self.there & alive), 0.0))
        self.direction.copy_(direction)
        self.there.copy_(there)

    def go_back(self, refused: Tensor, theta: Tensor, path: Tensor) -> None:
        """The members that are `refused` (M) are at θ (M, P) again, where the path was that long (M)."""
        self.begin(theta)
        self.path.copy_(torch.where(refused, path, self.path))


def unit(theta: Tensor) -> tuple[Tensor, Tensor]:
    """θ/‖θ‖ (M, P) in float64, and whether θ has a direction (M); 0 where it is the origin."""
    exact = theta.double()
    # Over the largest entry, so that squares of tiny or huge ones are floats.
    top = exact.abs().amax(dim=1)
    over = exact / wide(top.masked_fill(~((top > 0.0) & top.isfinite()), 1.0))
    size = torch.linalg.vector_norm(over, dim=1)
    there = size > 0.0
    return over / wide(size.masked_fill(~there, 1.0)), there
