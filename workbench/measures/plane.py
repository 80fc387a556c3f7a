"""What a network predicts over the plane of its inputs: the surfaces behind JT20 Fig. 1's contours.

The inputs are points of the plane, or points of the plane with a constant appended as in JT20 App. A.
Pure: a copy of the network and θ in, arrays out. torch is imported where it is needed.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float

if TYPE_CHECKING:
    from torch import Tensor, nn

BLOCK_NUMBERS = 8_000_000
"""Most numbers that one layer may hold while a block of the grid is evaluated."""


@dataclass(frozen=True, eq=False)
class PlaneGrid:
    """A rectangle of the plane: `first` (G1) and `second` (G2) ascending, in the inputs' units.

    `inputs` (G2·G1, d): the points as a network takes them, row by row of `second`. Surfaces over the
    grid have shape (G2, G1): index 0 of the first axis is the lowest x_2.
    """

    first: Float[np.ndarray, " G1"]
    second: Float[np.ndarray, " G2"]
    inputs: Float[np.ndarray, "G d"]

    @property
    def shape(self) -> tuple[int, int]:
        """(G2, G1)."""
        return len(self.second), len(self.first)


def is_planar(x: Float[np.ndarray, "n ..."]) -> bool:
    """Whether the inputs are points of the plane, alone or with one constant not 0 appended."""
    if x.ndim != 2 or x.shape[1] not in (2, 3) or not len(x):
        return False
    return x.shape[1] == 2 or bool(x[0, 2] != 0 and (x[:, 2] == x[0, 2]).all())


def plane_grid(
    x: Float[np.ndarray, "n d"], columns: int, rows: int, *, border: float = 0.08
) -> PlaneGrid:
    """A grid of columns × rows points over the samples' rectangle, wider by `border` of it on each side.

    Raises:
        ValueError: the inputs are not planar, or there are fewer than two rows or columns.
    """
    if not is_planar(x):
        raise ValueError("the inputs are no points of the plane")
    if columns < 2 or rows < 2:
        raise ValueError("a grid needs two columns and two rows")
    low, high = x[:, :2].min(axis=0), x[:, :2].max(axis=0)
    size = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
    low, high = low - border * size, high + border * size
    first, second = np.linspace(low[0], high[0], columns), np.linspace(low[1], high[1], rows)
    across, up = np.meshgrid(first, second)
    points = [across.ravel(), up.ravel()]
    if x.shape[1] == 3:
        points.append(np.full(across.size, x[0, 2]))
    return PlaneGrid(first, second, np.column_stack(points))


class PlaneSurface:
    """A network's predictions over a grid, on a copy of it in float64 on the CPU.

    A network of one output gives surfaces (G2, G1), one of C classes (G2, G1, C). `x` (n, d) are the
    samples that batch statistics come from, where the network takes any; they are not needed elsewhere.
    """

    def __init__(self, network: nn.Module, grid: PlaneGrid, x: Float[np.ndarray, "n d"]) -> None:
        import torch

        from workbench.models.network import described, flatten

        self.grid = grid
        self._network = copy.deepcopy(network)
        found = described(network)
        self._mixes = found is not None and found.mixes_samples
        self._flat = flatten(self._network, torch.float64, torch.device("cpu"))
        self._inputs = torch.from_numpy(grid.inputs)
        self._x = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64))

    def at(self, theta: Float[np.ndarray, " P"]) -> Array:
        """Φ(θ; ·) over the grid."""
        import torch

        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
            parts = [self._outputs(part) for part in self._blocks()]
        return self._shaped(torch.cat(parts))

    def at_samples(self, theta: Float[np.ndarray, " P"]) -> Array:
        """Φ(θ; x_i) of the samples themselves, (n) or (n, C)."""
        import torch

        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
            values = self._outputs(self._x).numpy()
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    def tangent(self, theta: Float[np.ndarray, " P"], direction: Float[np.ndarray, " P"]) -> Array:
        """⟨∇Φ(θ; ·), direction⟩ over the grid: what the kernel's classifier predicts (JT20 App. A)."""
        import torch

        from workbench.models.tangent import value_and_slope

        names = [name for name, p in self._network.named_parameters() if p.requires_grad]
        sizes = [p.numel() for p in self._network.parameters() if p.requires_grad]
        shapes = [p.shape for p in self._network.parameters() if p.requires_grad]

        def named(flat: Float[np.ndarray, " P"]) -> dict[str, Tensor]:
            whole = torch.from_numpy(np.ascontiguousarray(flat, dtype=np.float64))
            pieces = torch.split(whole, sizes)
            return {n: t.view(s) for n, t, s in zip(names, pieces, shapes, strict=True)}

        at, along = named(theta), named(direction)
        parts = []
        for part in self._blocks():

            def outputs(given: dict[str, Tensor], part: Tensor = part) -> Tensor:
                return torch.func.functional_call(self._network, given, self._arguments(part))

            parts.append(value_and_slope(outputs, at, along)[1].detach())
        return self._shaped(torch.cat(parts))

    def tangents(
        self, theta: Float[np.ndarray, " P"], x: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, "n P"]:
        """∇Φ(θ; x_i) of a network of one output."""
        import torch

        from workbench.models.tangent_features import tangents

        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
        parameters = [p for p in self._network.parameters() if p.requires_grad]
        return tangents(self._outputs, parameters, x)

    def _arguments(self, part: Tensor) -> tuple[Tensor, ...]:
        """A block, and the samples whose statistics it is normalized by where the network has any."""
        return (part, self._x) if self._mixes else (part,)

    def _outputs(self, part: Tensor) -> Tensor:
        found: Tensor = self._network(*self._arguments(part))
        return found

    def _blocks(self) -> tuple[Tensor, ...]:
        widest = max(p.shape[0] if p.ndim else 1 for p in self._network.parameters())
        size = max(1, BLOCK_NUMBERS // max(1, int(widest)))
        starts = range(0, len(self._inputs), size)
        return tuple(self._inputs[start : start + size] for start in starts)

    def _shaped(self, outputs: Tensor) -> Array:
        values = outputs.numpy()
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        return values.reshape(*self.grid.shape, *values.shape[1:])
