"""Minibatches as a function of the absolute step: resuming needs no generator state."""

from __future__ import annotations

import torch
from torch import Tensor


class Minibatches:
    """A fresh permutation each epoch, drawn from (seed, epoch); the last batch may be smaller."""

    def __init__(self, n: int, size: int, seed: int, device: torch.device) -> None:
        self.n = n
        self.size = size
        self.seed = seed
        self.device = device
        self.per_epoch = -(-n // size)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.long)

    def indices(self, step: int) -> Tensor:
        """Samples (b) of the batch at that step."""
        epoch, place = divmod(step, self.per_epoch)
        return self.order(epoch)[place * self.size : (place + 1) * self.size]

    def run(self, step: int, steps: int) -> Tensor:
        """Samples of the batches of so many steps from that one on, one batch after the other."""
        parts, end = [], step + steps
        while step < end:
            epoch, place = divmod(step, self.per_epoch)
            count = min(end - step, self.per_epoch - place)
            parts.append(self.order(epoch)[place * self.size : (place + count) * self.size])
            step += count
        return torch.cat(parts)

    def order(self, epoch: int) -> Tensor:
        """All samples (n) in the order of that epoch."""
        if epoch != self._epoch:
            # The golden-ratio multiple keeps the streams of neighbouring seeds apart.
            mixed = (self.seed * 0x9E3779B97F4A7C15 + epoch) % 2**63
            generator = torch.Generator().manual_seed(mixed)
            self._order = torch.randperm(self.n, generator=generator).to(self.device)
            self._epoch = epoch
        return self._order
