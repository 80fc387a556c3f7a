"""The benchmarks' workloads: W1 (20 squared-ReLU neurons in the plane) and W2 (two-layer ReLU, 200 wide)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from workbench.config.run import RunConfig
from workbench.config.toml import parse_config

WORKLOADS: dict[str, dict[str, Any]] = {
    "W1": {
        "data": {"kind": "kh24-circle", "n": 50},
        "model": {"kind": "squared-relu", "width": 20},
        "init": {"kind": "gaussian", "scale": 1e-5},
        "loss": {"kind": "square", "reduction": "mean"},
        "train": {"lr": 5e-5, "steps": 10**9},
        "record": {"every": 10},
        "checkpoint": {"every": 10**9},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
    },
    "W2": {
        "data": {"kind": "gaussian-separable", "n": 200, "d": 20, "margin": 0.1},
        "model": {"kind": "two-layer-relu", "width": 200},
        "init": {"kind": "gaussian", "scale": 1e-2},
        "loss": {"kind": "logistic"},
        "train": {"lr": 1e-3, "steps": 10**9},
        "record": {"every": 10, "theta": False},
        "checkpoint": {"every": 10**9},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
    },
}


def config_of(name: str, every: int = 10) -> RunConfig:
    """A workload as the workbench's configuration, recorded every so many steps."""
    table = WORKLOADS[name]
    return parse_config({**table, "record": {**table["record"], "every": every}}, name)


class Squared(nn.Module):
    """W1 as a user writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 20, bias=False, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n)."""
        return torch.relu(self.first(x)).square().sum(dim=1)


class Wide(nn.Module):
    """W2 as a user writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(20, 200, bias=False, dtype=torch.float64)
        self.second = nn.Linear(200, 1, bias=False, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n)."""
        return self.second(torch.relu(self.first(x)))[:, 0]


class PlainLoop:
    """The loop of a user without any tool: nn.Module, autograd, torch.optim.SGD, nothing recorded."""

    def __init__(self, name: str) -> None:
        from workbench.data.load import load_dataset

        config = config_of(name)
        data = load_dataset(config.data)
        self.x, self.y = torch.from_numpy(data.x), torch.from_numpy(data.y)
        self.square = config.loss.kind == "square"
        torch.manual_seed(0)
        self.model: nn.Module = Squared() if name == "W1" else Wide()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.normal_(std=1e-5 if name == "W1" else 1e-2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config.train.lr)

    def step(self) -> None:
        """One step of gradient descent."""
        self.optimizer.zero_grad()
        out = self.model(self.x)
        if self.square:
            loss = (0.5 * (out - self.y) ** 2).mean()
        else:
            loss = torch.nn.functional.softplus(-self.y * out).sum()
        loss.backward()
        self.optimizer.step()
