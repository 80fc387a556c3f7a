"""The loop of a user without any tool, for one configuration: nn.Module, autograd, torch.optim.SGD.

    python benchmarks/plain_cnn.py RUN.toml

Nothing is recorded. The samples are read as the workbench reads them.
"""

from __future__ import annotations

import sys
import tomllib
from math import ceil, isqrt
from pathlib import Path

import torch
from torch import nn

from workbench.config.toml import parse_config
from workbench.data.load import load_dataset


class Cnn(nn.Module):
    """LL20's CNN as a user writes it."""

    def __init__(self, image: tuple[int, int, int], channels: tuple[int, int], width: int) -> None:
        super().__init__()
        side = ceil(ceil(image[1] / 2) / 2)
        self.first = nn.Conv2d(image[0], channels[0], 5, padding=2)
        self.second = nn.Conv2d(channels[0], channels[1], 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.third = nn.Linear(channels[1] * side * side, width, bias=False)
        self.last = nn.Linear(width, 10, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (n, 10) for pictures (n, channels, height, width)."""
        h = self.pool(torch.relu(self.first(x)))
        h = self.pool(torch.relu(self.second(h)))
        return self.last(torch.relu(self.third(h.flatten(1))))


def main() -> None:
    """Train as many steps as the configuration says."""
    torch.set_num_threads(1)
    config = parse_config(tomllib.loads(Path(sys.argv[1]).read_text()), sys.argv[1])
    dtype = getattr(torch, config.device.dtype)
    data = load_dataset(config.data)
    channels = 3 if data.d % 3 == 0 and isqrt(data.d // 3) ** 2 * 3 == data.d else 1
    side = isqrt(data.d // channels)
    x = torch.from_numpy(data.x).to(dtype).reshape(-1, channels, side, side)
    y = torch.from_numpy(data.y).long()
    torch.manual_seed(0)
    model = Cnn((channels, side, side), config.model.channels, config.model.width).to(dtype)  # type: ignore[union-attr]
    optimizer = torch.optim.SGD(model.parameters(), lr=config.train.lr)
    order, place = torch.randperm(len(x)), 0
    for _ in range(config.train.steps):
        if place >= len(x):
            order, place = torch.randperm(len(x)), 0
        index = order[place : place + config.train.batch]
        place += config.train.batch
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[index]), y[index]).backward()
        optimizer.step()


if __name__ == "__main__":
    main()
