"""Records written on the device, where a counter that lies there too says: read once, at a chunk's end."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from workbench.arrays import Array

SCALARS = ("time", "time_log", "rate_log", "path", "taken")
"""Numbers of a member, in float64; `taken` are its steps in this chunk."""


class DeviceRows:
    """Room for R records of M members: `parts` by name, (M, R, …), None where one is left out.

    `memory`: what the step rule remembers, whose rows are kept too.
    """

    def __init__(
        self, parts: Mapping[str, Tensor | None], capacity: int, memory: Mapping[str, Tensor]
    ) -> None:
        self.parts = {name: part for name, part in parts.items() if part is not None}
        scale = self.parts["gradient_log_scale"]
        self.count, self.capacity = len(scale), capacity
        size = (self.count, capacity)
        self.scalars = scale.new_zeros(*size, len(SCALARS), dtype=torch.float64)
        self.memory = {
            name: held.new_zeros(*size, *held.shape[1:]) for name, held in memory.items()
        }
        self.place = scale.new_zeros(1, dtype=torch.int64)

    def holds(self, parts: Mapping[str, Tensor | None]) -> bool:
        """Whether these are the tensors it writes into."""
        given = {name: part for name, part in parts.items() if part is not None}
        return given.keys() == self.parts.keys() and all(
            part.data_ptr() == self.parts[name].data_ptr() and part.shape == self.parts[name].shape
            for name, part in given.items()
        )

    def begin(self, place: int) -> None:
        """The next record is the one at `place`."""
        self.place.fill_(place)

    def write(
        self, values: Mapping[str, Tensor], scalars: Tensor, memory: Mapping[str, Tensor]
    ) -> None:
        """One record: values (M, …), scalars (M, 5) and the memory as it is."""
        for name, room in self.parts.items():
            room.index_copy_(1, self.place, values[name].unsqueeze(1))
        self.scalars.index_copy_(1, self.place, scalars.unsqueeze(1))
        for name, room in self.memory.items():
            room.index_copy_(1, self.place, memory[name].unsqueeze(1))
        self.place.add_(1)

    def read(self, stop: int) -> tuple[Array, dict[str, Array]]:
        """Scalars (M, stop, 5) and the memory (M, stop, …) of the first records."""
        memory = {name: held[:, :stop].cpu().numpy() for name, held in self.memory.items()}
        return self.scalars[:, :stop].cpu().numpy(), memory
