"""Two networks that the workbench does not have, and its command line with them: nothing of it is edited.

Run as a program, this reads a JSON list of command lines and prints [exit code, output, error] of each.
In a process of its own, as `config.run` reads the list of tables when it is loaded.
"""

from __future__ import annotations

import json
import sys
from typing import Literal

import torch
from torch import Tensor, nn

from workbench.config.models import TABLES, ModelTable
from workbench.config.section import Count
from workbench.models.build import BUILDERS
from workbench.models.network import Needs, Network
from workbench.models.structure import Description, Layer, Neurons

# --- what would be a table in config/models.py ---


class CubedReluModel(ModelTable):
    """Σ_k v_k max(0, ⟨u_k, x⟩)³; 4-homogeneous."""

    single_output = True
    kind: Literal["cubed-relu"]
    width: Count = 4


class TwoPathsModel(ModelTable):
    """⟨v, a x⟩ + ⟨w, b x⟩; 2-homogeneous."""

    single_output = True
    kind: Literal["two-paths"]
    width: Count = 3


# --- what would be a file in models/, each ---


class CubedRelu(Network):
    """Φ(x) = Σ_k v_k max(0, ⟨u_k, x⟩)³, u (H, d), v (H)."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.zeros(width, d, dtype=torch.float64))
        self.v = nn.Parameter(torch.zeros(width, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, …)."""
        return torch.relu(x.flatten(1) @ self.u.T).pow(3) @ self.v

    def describe(self) -> Description:
        """u of order 3, v of order 1; neurons are the rows of u."""
        return Description(
            layers=(Layer("u", ("u",), order=3.0), Layer("v", ("v",), order=1.0)),
            neurons=Neurons("u", outgoing="v"),
            smooth_gates=True,
        )


class TwoPaths(Network):
    """Φ(x) = ⟨v, a x⟩ + ⟨w, b x⟩, a and b (H, d), v and w (H): linear, with two first layers side by side."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        for name, shape in {"a": (width, d), "b": (width, d), "v": (width,), "w": (width,)}.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape, dtype=torch.float64)))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, …)."""
        h = x.flatten(1)
        return (h @ self.a.T) @ self.v + (h @ self.b.T) @ self.w

    def describe(self) -> Description:
        """The first layers together, then the second ones."""
        return Description(
            layers=(Layer("first", ("a", "b"), order=1.0), Layer("second", ("v", "w"), order=1.0)),
            linear=True,
        )


def cubed_relu(table: CubedReluModel, needs: Needs) -> CubedRelu:
    """The network of its table."""
    return CubedRelu(needs.d, table.width)


def two_paths(table: TwoPathsModel, needs: Needs) -> TwoPaths:
    """The network of its table."""
    return TwoPaths(needs.d, table.width)


# --- their lines in config/models.py and models/build.py ---

TABLES += [CubedReluModel, TwoPathsModel]
BUILDERS |= {"cubed-relu": cubed_relu, "two-paths": two_paths}


def main() -> None:
    """Every command line in turn."""
    from typer.testing import CliRunner

    from commands.main import app

    answers = []
    for line in json.load(sys.stdin):
        found = CliRunner().invoke(app, line)
        error = "" if found.exception is None else f"{found.exception}"
        answers.append((found.exit_code, found.stdout, error))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
