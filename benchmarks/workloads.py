"""The benchmarks' workloads: as the workbench's configurations, and as the loops that a user writes.

W1: 20 squared-ReLU neurons in the plane, n = 50. W2: two-layer ReLU, 200 wide, d = 20, n = 200. W3: deep
linear, four layers, 32 wide, d = 10, n = 100. W4: 10,000 squared-ReLU neurons in the plane, n = 200. W5:
LL20's CNN on the digits, batches of 100. CNN: the same on 5,000 pictures, float32; the others are float64.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.data.load import load_dataset

NEVER = 10**9
PLAIN: dict[str, dict[str, Any]] = {
    "train": {"steps": NEVER},
    "record": {"every": 100, "theta": False},
    "checkpoint": {"every": NEVER},
    "pause": {"at_saddle": False},
    "device": {"kind": "cpu"},
}
CNN_NETWORK = {
    "model": {"kind": "cnn"},
    "init": {"kind": "he"},
    "loss": {"kind": "cross-entropy", "reduction": "mean"},
}


def _table(**sections: dict[str, Any]) -> dict[str, Any]:
    """PLAIN with sections, which are merged key by key."""
    names = {**PLAIN, **sections}
    return {name: {**PLAIN.get(name, {}), **sections.get(name, {})} for name in names}


_kept: list[tempfile.TemporaryDirectory[str]] = []
"""Folders that go with the process."""


@cache
def pictures() -> str:
    """An archive of 5,000 pictures: the digits, repeated with noise."""
    folder = tempfile.TemporaryDirectory(prefix="workbench-benchmark-")
    _kept.append(folder)
    source, generator = load_digits(), np.random.default_rng(0)
    pick = np.arange(5000) % len(source.data)
    x = source.data[pick] / 16.0 + 0.1 * generator.normal(size=(5000, 64))
    path = Path(folder.name) / "pictures.npz"
    np.savez(path, x=x, y=source.target[pick])
    return str(path)


def squared(width: int = 20, n: int = 50) -> dict[str, Any]:
    """W1, of any width and number of samples."""
    return _table(
        data={"kind": "kh24-circle", "n": n},
        model={"kind": "squared-relu", "width": width},
        init={"kind": "gaussian", "scale": 1e-5},
        loss={"kind": "square", "reduction": "mean"},
        train={"lr": 5e-5},
        record={"theta": width <= 1000},
    )


def table_of(name: str) -> dict[str, Any]:
    """A workload as a [section] table."""
    if name == "W1":
        return squared()
    if name == "W2":
        return _table(
            data={"kind": "gaussian-separable", "n": 200, "d": 20, "margin": 0.1},
            model={"kind": "two-layer-relu", "width": 200},
            init={"kind": "gaussian", "scale": 1e-2},
            loss={"kind": "logistic"},
            train={"lr": 1e-3},
        )
    if name == "W3":
        return _table(
            data={"kind": "gaussian-separable", "n": 100, "d": 10, "margin": 0.1},
            model={"kind": "deep-linear", "width": 32, "depth": 4},
            init={"kind": "he"},
            loss={"kind": "logistic", "reduction": "mean"},
            train={"lr": 1e-3},
        )
    if name == "W4":
        return squared(10_000, 200)
    if name == "W5":
        train = {"lr": 1e-2, "batch": 100}
        return _table(data={"kind": "digits", "n": 1000}, train=train, **CNN_NETWORK)
    return _table(
        data={"kind": "npz", "path": pictures()},
        train={"lr": 1e-2, "batch": 100},
        device={"dtype": "float32"},
        # A record looks at 5,000 samples, which are 50 batches.
        record={"every": 1000},
        **CNN_NETWORK,
    )


WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "CNN")


def config_of(name: str, every: int = 0, **device: str) -> RunConfig:
    """A workload as the workbench's configuration, recorded `every` so many steps, with keys of [device]."""
    table = table_of(name)
    record = {**table["record"], "every": every or table["record"]["every"]}
    return configured({**table, "record": record}, **device)


def configured(table: dict[str, Any], **device: str) -> RunConfig:
    """A table as a configuration, with keys of [device]."""
    return parse_config({**table, "device": {**table["device"], **device}}, "benchmark")


class Squared(nn.Module):
    """Squared ReLU neurons as a user writes them."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(d, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n)."""
        return torch.relu(self.first(x)).square().sum(dim=1)


class Wide(nn.Module):
    """A two-layer ReLU network as a user writes it."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(d, width, bias=False)
        self.second = nn.Linear(width, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n)."""
        return self.second(torch.relu(self.first(x)))[:, 0]


class Deep(nn.Module):
    """A deep linear network as a user writes it."""

    def __init__(self, d: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [d] + [width] * (depth - 1) + [1]
        layers = (nn.Linear(a, b, bias=False) for a, b in pairwise(sizes))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n)."""
        return self.layers(x)[:, 0]


class Pictures(nn.Module):
    """LL20's CNN on 8×8 pictures as a user writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(256, 1024, bias=False),
            nn.ReLU(),
            nn.Linear(1024, 10, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n, 10)."""
        return self.net(x.reshape(-1, 1, 8, 8))


class PlainLoop:
    """The loop of a user without any tool: nn.Module, autograd, torch.optim.SGD, nothing recorded."""

    def __init__(self, config: RunConfig) -> None:
        data, model, self.config = load_dataset(config.data), config.model, config
        self.dtype = getattr(torch, config.device.dtype)
        self.x = torch.from_numpy(data.x).to(self.dtype)
        self.classes = config.loss.kind == "cross-entropy"
        self.y = torch.from_numpy(data.y).to(torch.long if self.classes else self.dtype)
        torch.manual_seed(0)
        self.model: nn.Module
        scale = getattr(config.init, "scale", None)
        if model.kind == "squared-relu":
            self.model = Squared(data.d, model.width)
        elif model.kind == "two-layer-relu":
            self.model = Wide(data.d, model.width)
        elif model.kind == "deep-linear":
            self.model = Deep(data.d, model.width, model.depth)
        else:
            self.model = Pictures()
        self.model.to(self.dtype)
        if scale is not None:
            with torch.no_grad():
                for parameter in self.model.parameters():
                    parameter.normal_(std=scale)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config.train.lr)
        self.batches = self._batches()

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        size = self.config.train.batch
        while True:
            if not size:
                yield self.x, self.y
                continue
            order = torch.randperm(len(self.x))
            for index in order.split(size):
                yield self.x[index], self.y[index]

    def step(self) -> None:
        """One step of gradient descent."""
        x, y = next(self.batches)
        self.optimizer.zero_grad()
        out = self.model(x)
        if self.classes:
            loss = cross_entropy(out, y)
        else:
            each = 0.5 * (out - y) ** 2 if self.config.loss.kind == "square" else softplus(-y * out)
            loss = each.mean() if self.config.loss.reduction == "mean" else each.sum()
        loss.backward()
        self.optimizer.step()
