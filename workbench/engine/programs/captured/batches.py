"""Minibatches of M members on the device: their indices copied there for many steps at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.engine.batches import Minibatches

TABLE_NUMBERS = 1 << 22
"""Most indices that lie on the device."""
TABLE_STEPS = 4096


class BatchTable:
    """The same batches as `Minibatches` gives step by step, one drawing a member (M)."""

    def __init__(self, drawn: Sequence[Minibatches], device: torch.device) -> None:
        first = drawn[0]
        self.drawn, self.size, self.per_epoch = tuple(drawn), first.size, first.per_epoch
        self.last = first.n - (first.per_epoch - 1) * first.size
        """Samples of an epoch's last batch."""
        self.steps = max(1, min(TABLE_STEPS, TABLE_NUMBERS // (len(drawn) * first.size)))
        self.shape = (self.steps, len(drawn), self.size)
        self.indices = torch.zeros(self.shape, dtype=torch.int64, device=device)
        self.place = torch.zeros(1, dtype=torch.int64, device=device)
        self._until = -1

    def begin(self) -> None:
        """A chunk begins: what lies on the device is of another."""
        self._until = -1

    def left(self, step: int, most: int) -> int:
        """How many steps from `step` on lie on the device, after filling it where there are none."""
        if step >= self._until:
            steps = min(self.steps, most)
            # Memory of its own, pinned: the host goes on while it is copied.
            pinned = self.indices.device.type == "cuda"
            here = torch.zeros(steps, *self.shape[1:], dtype=torch.int64, pin_memory=pinned)
            self._draw(here, step)
            self.indices[:steps].copy_(here, non_blocking=pinned)
            self.place.zero_()
            self._until = step + steps
        return self._until - step

    def _draw(self, here: Tensor, step: int) -> None:
        """The indices of the steps from `step` on, (T, M, size), a short last batch filled up with 0."""
        row = 0
        while row < len(here):
            epoch, place = divmod(step + row, self.per_epoch)
            stop = min(self.per_epoch, place + len(here) - row)
            whole = stop - place if stop < self.per_epoch else self.per_epoch - 1 - place
            for member, drawn in enumerate(self.drawn):
                order = drawn.order(epoch)[place * self.size : stop * self.size]
                here[row : row + whole, member] = order[: whole * self.size].view(whole, self.size)
                if stop - place > whole:
                    here[row + whole, member, : self.last] = order[whole * self.size :]
            row += stop - place

    def samples(self, step: int) -> int:
        """How many samples the batch of that step has."""
        return self.last if (step + 1) % self.per_epoch == 0 else self.size

    def next(self, b: int) -> Tensor:
        """The indices (M, b) of the next batch, which has b samples; the one after it comes next."""
        found = self.indices.index_select(0, self.place)[0, :, :b]
        self.place.add_(1)
        return found
