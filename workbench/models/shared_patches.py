"""One filter over disjoint patches, linear or ReLU: VSS22 Theorem 4.4."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config.models import SharedPatchesModel
from workbench.errors import BadInput
from workbench.models.network import Needs, Network, activate
from workbench.models.structure import Description, Layer, Matrix


class SharedPatches(Network):
    """Φ(x) = Σ_j v_j σ(⟨w, x^(j)⟩), x^(j) the j-th of `patches` parts of x, w (d/patches), v (patches).

    2-homogeneous, 1 by layers; `activation` is "linear" or "relu". `patches` must divide d.
    """

    def __init__(self, d: int, patches: int, activation: str) -> None:
        super().__init__()
        self.patches = patches
        self.activation = activation
        self.w = nn.Parameter(torch.zeros(d // patches, dtype=torch.float64))
        self.v = nn.Parameter(torch.zeros(patches, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, …)."""
        parts = x.reshape(x.shape[0], self.patches, -1)
        return activate(parts @ self.w, self.activation) @ self.v

    def describe(self) -> Description:
        """w, then v. No neurons: all units have the one filter w."""
        patches, width = self.patches, len(self.w)
        d = patches * width
        first = Matrix(
            "w",
            (patches, d),
            # Row j holds the filter in the columns of patch j.
            place=tuple(j * d + j * width + i for j in range(patches) for i in range(width)),
            leak=1.0 if self.activation == "linear" else 0.0,
            numbers=tuple(range(width)) * patches,
        )
        return Description(
            layers=(Layer("w", ("w",), order=1.0), Layer("v", ("v",), order=1.0)),
            stages=(first, Matrix("v", (1, patches))),
            linear=self.activation == "linear",
        )


def build(table: SharedPatchesModel, needs: Needs) -> SharedPatches:
    """The network of its table; raises BadInput where the patches do not divide an input."""
    if needs.d % table.patches:
        raise BadInput(
            f"model.patches = {table.patches} does not divide the {needs.d} numbers of an input."
        )
    return SharedPatches(needs.d, table.patches, table.activation)
