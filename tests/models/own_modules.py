"""Modules as users write them: with dropout, noise, statistics and counters."""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn


class Dropping(nn.Module):
    def __init__(self, d: int = 2, h: int = 12) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(d, h, bias=False), nn.Linear(h, 1, bias=False)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.drop(torch.relu(self.a(x))))


class Noisy(nn.Module):
    """Every kind of draw: factories, draws like a tensor, draws in place."""

    def __init__(self, d: int = 2, h: int = 6) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(d, h, bias=False), nn.Linear(h, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.a(x))
        hidden = hidden + 0.1 * torch.randn_like(hidden) + 0.1 * torch.randn(1, dtype=x.dtype)
        hidden = hidden * (1.0 + 0.1 * torch.empty_like(hidden).exponential_())
        kept = torch.randperm(hidden.shape[1])[:4]
        return self.b(hidden * torch.zeros(hidden.shape[1], dtype=x.dtype).index_fill(0, kept, 1.0))


class Normalized(nn.Module):
    def __init__(self, d: int = 2, h: int = 12) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(d, h, bias=False), nn.Linear(h, 1, bias=False)
        self.norm = nn.BatchNorm1d(h)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.norm(self.a(x))))


class Counting(nn.Module):
    """Its outputs depend on how often it was called; the buffer is replaced, not written into."""

    def __init__(self, d: int = 2, h: int = 6) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(d, h, bias=False), nn.Linear(h, 1, bias=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.float64))
        self.drop = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1.0
        return self.b(self.drop(torch.relu(self.a(x)))) * (1.0 + 0.5 / (1.0 + 0.1 * self.calls))


class Plain(nn.Module):
    def __init__(self, d: int = 2, h: int = 6) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(d, h, bias=False), nn.Linear(h, 1, bias=False)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x))) * self.scale


class Hidden(Plain):
    """Its random numbers are Python's."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * random.random()


class Deciding(Plain):
    """Python decides by a number that depends on its weights."""

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x)
        return found if float(found.detach().sum()) > 0.0 else 2.0 * found
