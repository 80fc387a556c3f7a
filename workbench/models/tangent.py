"""Directional derivatives by reverse mode alone.

Forward-mode AD keeps its levels in the process, not in the thread: two threads inside
`torch.func.jvp` end each other's. The transforms used here are a thread's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def value_and_slope(
    outputs: Callable[[dict[str, Tensor]], Tensor],
    at: Mapping[str, Tensor],
    along: Mapping[str, Tensor],
) -> tuple[Tensor, Tensor]:
    """f(at) and ⟨∇f(at), along⟩, of f's shape; differentiable in `along`.

    u ↦ ∂f(at)ᵀu is linear, so pulling `along` back through it gives ∂f(at) along.
    """
    value, pull = torch.func.vjp(outputs, dict(at))[:2]

    def pulled(u: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = pull(u)[0]
        return found

    push = torch.func.vjp(pulled, torch.zeros_like(value))[1]
    return value, push(dict(along))[0]
