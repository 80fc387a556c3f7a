"""Steepest descent in a norm, in steps of one length: sign descent and coordinate descent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from workbench.engine.programs.captured.rules.rule import At, PlainDeviceRule, Step, wide
from workbench.norms.l1 import L1
from workbench.norms.linf import LInf
from workbench.norms.norm import Norm


def signs(gradient: Tensor) -> Tensor:
    """−sign(g_i) (M, P), as in `norms/linf.py`."""
    return -gradient.sign()


def one_coordinate(gradient: Tensor) -> Tensor:
    """−sign(g_j) e_j (M, P) for the first j with the largest |g_j|, as in `norms/l1.py`."""
    largest = gradient.abs().argmax(dim=1, keepdim=True)
    return gradient.new_zeros(gradient.shape).scatter(
        1, largest, -gradient.gather(1, largest).sign()
    )


DIRECTIONS: Mapping[type[Norm], Callable[[Tensor], Tensor]] = {LInf: signs, L1: one_coordinate}
"""By its norm, the direction of norm 1 along which the risk falls fastest. Singular values, and with them the
spectral norm's, are found by iterations that the host follows."""


class SteepestOnDevice(PlainDeviceRule):
    """θ ← θ + length · d; `length` (M)."""

    def __init__(self, direction: Callable[[Tensor], Tensor], length: Tensor) -> None:
        super().__init__()
        self.direction, self.length = direction, length

    def step(self, at: At) -> Step:
        """The direction of the scaled gradient; where it vanishes the step rests."""
        finite = at.gradient.isfinite().all(dim=1)
        # What is no number goes into θ as it is, where the engine sees it.
        found = at.gradient.where(wide(~finite), self.direction(at.gradient))
        moves = (found != 0.0).any(dim=1)
        length = self.length.masked_fill(~moves, 0.0)
        return Step(found * wide(length).to(found.dtype), log_rate=length.log())
