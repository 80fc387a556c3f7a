"""One neuron on one number, with what breaks homogeneity: VSS22 Theorem 6.1's extensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OneNeuron(nn.Module):
    """w, v and b, one number each."""

    def __init__(self) -> None:
        super().__init__()
        for name in "wvb":
            self.register_parameter(name, nn.Parameter(torch.zeros(1, dtype=torch.float64)))

    w: nn.Parameter
    v: nn.Parameter
    b: nn.Parameter


class OutputBias(OneNeuron):
    """v w x + b."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, 1)."""
        return self.v * self.w * x[:, 0] + self.b


class ReluOutputBias(OneNeuron):
    """v max(0, w x) + b."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, 1)."""
        return self.v * torch.relu(self.w * x[:, 0]) + self.b


class ReluSkip(OneNeuron):
    """v max(0, w x) + b x."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n) for inputs (n, 1)."""
        return self.v * torch.relu(self.w * x[:, 0]) + self.b * x[:, 0]
