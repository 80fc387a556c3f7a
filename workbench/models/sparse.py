"""Networks with missing weights and no sharing, linear or ReLU: the class N_no-share of VSS22 §2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.config.models import SparseModel
from workbench.errors import BadInput
from workbench.models.network import Needs, Network, activate
from workbench.models.structure import Description, Layer, Matrix


class Sparse(Network):
    """Φ(x) = W_L σ(… σ(W_1 x)), W_k zero where its mask is 0; L-homogeneous, 1 by layers.

    The parameter w_k is the vector of the free weights of W_k, row by row (VSS22's u^(k)), so that what
    is missing takes no part in ‖θ‖. Masks (rows, columns) are boolean, the last has one row.
    `activation` is "linear" or "relu".
    """

    def __init__(self, masks: Sequence[Tensor], activation: str) -> None:
        super().__init__()
        self.shapes = [(int(m.shape[0]), int(m.shape[1])) for m in masks]
        self.activation = activation
        for k, mask in enumerate(masks, start=1):
            place = mask.flatten().nonzero()[:, 0]
            self.register_buffer(f"place{k}", place)
            zeros = torch.zeros(len(place), dtype=torch.float64)
            self.register_parameter(f"w{k}", nn.Parameter(zeros))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, …)."""
        h = x.flatten(1)
        for k in range(1, len(self.shapes)):
            h = activate(h @ self.matrix(k).T, self.activation)
        return (h @ self.matrix(len(self.shapes)).T)[:, 0]

    def matrix(self, k: int) -> Tensor:
        """W_k (rows, columns), k = 1 … L, with zeros where no weight is."""
        rows, columns = self.shapes[k - 1]
        weight: Tensor = getattr(self, f"w{k}")
        place: Tensor = getattr(self, f"place{k}")
        return weight.new_zeros(rows * columns).scatter(0, place, weight).view(rows, columns)

    def describe(self) -> Description:
        """w1 … wL; a unit sums the mean number of weights of its layer's units. No neurons: units that see
        different coordinates share no space of directions."""
        layers, matrices = [], []
        for k, shape in enumerate(self.shapes, start=1):
            fan_in = max(1, round(self.get_parameter(f"w{k}").numel() / shape[0]))
            place: Tensor = getattr(self, f"place{k}")
            linear = self.activation == "linear" or k == len(self.shapes)
            matrix = Matrix(f"w{k}", shape, tuple(place.tolist()), 1.0 if linear else 0.0)
            layers.append(Layer(f"w{k}", (f"w{k}",), order=1.0, fan_in=fan_in, matrix=matrix))
            matrices.append(matrix)
        return Description(
            layers=tuple(layers), stages=tuple(matrices), linear=self.activation == "linear"
        )


def build(table: SparseModel, needs: Needs) -> Sparse:
    """The network of its table's masks; raises BadInput unless the first is as wide as an input."""
    columns = len(table.masks[0][0])
    if columns != needs.d:
        raise BadInput(
            f"model.masks: the first mask has {columns} columns, and an input has {needs.d} numbers; "
            "they must agree."
        )
    return Sparse([torch.tensor(mask, dtype=torch.bool) for mask in table.masks], table.activation)
