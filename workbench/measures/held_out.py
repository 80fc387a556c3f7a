"""What a network gives for samples that are held out of its training, at recorded states."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workbench.data.dataset import Dataset


class HeldOut:
    """A copy of a network and the held-out samples, on `device` in `dtype`.

    The copy is a network that is asked, not trained: it drops nothing out, and takes batch statistics from
    its buffers. Many samples go through it block by block, cut by the network and an input's shape alone.
    `y` (n): the labels.
    """

    def __init__(
        self, network: nn.Module, test: Dataset, dtype: torch.dtype, device: torch.device
    ) -> None:
        import torch

        from workbench.engine.programs.blocks import samples_a_block_asked
        from workbench.models.network import flatten

        self.y = test.y
        self._network = copy.deepcopy(network).eval()
        self._flat = flatten(self._network, dtype, device)
        self._x = torch.from_numpy(test.x).to(device=device, dtype=dtype)
        self._size = samples_a_block_asked(self._network, self._x)

    def of(self, network: nn.Module, test: Dataset) -> HeldOut:
        """Another network's, with other samples."""
        return HeldOut(network, test, self._flat.dtype, self._flat.device)

    @property
    def first(self) -> HeldOut:
        """Of the first sample alone, for what needs shapes only."""
        found = copy.copy(self)
        found.y, found._x = self.y[:1], self._x[:1]
        return found

    def outputs(
        self, theta: Float[np.ndarray, " P"], memory: Mapping[str, Array]
    ) -> Float[np.ndarray, "n ..."]:
        """Φ(θ; x_i), (n) or (n, C), with the buffers in `memory` where the network changes any."""
        import torch

        from workbench.engine.programs.blocks import outputs_of
        from workbench.models.repeatable import put_buffers

        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
        put_buffers(self._network, memory)
        found = outputs_of(self._network, self._x, self._size)
        return found.cpu().double().numpy()
