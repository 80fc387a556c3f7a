"""Fixed signs of the output's weights."""

from __future__ import annotations

import torch
from torch import Tensor


def fixed_signs(kind: str, width: int, seed: int) -> Tensor:
    """Signs (H): all +1 for "plus", +1, −1, +1, … for "alternate", else seeded coin flips."""
    if kind == "plus":
        return torch.ones(width, dtype=torch.float64)
    if kind == "alternate":
        return 1.0 - 2.0 * (torch.arange(width) % 2).double()
    # A stream of its own, so that the signs do not move when the start is drawn otherwise.
    generator = torch.Generator().manual_seed(seed ^ 0x5165)
    return 1.0 - 2.0 * torch.randint(2, (width,), generator=generator).double()
