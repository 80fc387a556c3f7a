"""A network as a chain of affine maps, pools and ReLUs, with a bound on the operator norm of each map.

For networks that declare their stages, or that they are linear; of others nothing is guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from workbench.models.network import described, leaky
from workbench.models.structure import ConvolutionStage, Matrix, PoolStage
from workbench.models.structure import Stage as Declared

SLACK = 1.0 + 1e-9
"""Norms are enlarged by this, so that rounding in their computation cannot make them too small."""
DENSE_NUMBERS = 4_000_000
"""Up to this many numbers a convolution is written out as a matrix."""


def spectral(matrix: Tensor) -> float:
    """‖W‖_2 from above."""
    return SLACK * float(torch.linalg.matrix_norm(matrix, 2))


@dataclass(frozen=True, eq=False)
class Dense:
    """h ↦ W h + b, W (out, in)."""

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, h: Tensor) -> Tensor:
        """(k, out) for (k, …)."""
        out = h.flatten(1) @ self.weight.T
        return out if self.bias is None else out + self.bias

    @cached_property
    def norm(self) -> float:
        """‖W‖_2."""
        return spectral(self.weight)


@dataclass(frozen=True, eq=False)
class Convolved:
    """h ↦ w * h + b over pictures of shape `image` with `padding` zeros around."""

    weight: Tensor
    bias: Tensor | None
    padding: int
    image: tuple[int, int, int]

    def __call__(self, h: Tensor) -> Tensor:
        """(k, channels, height, width) for (k, …)."""
        picture = h.reshape(len(h), *self.image)
        return conv2d(picture, self.weight, self.bias, padding=self.padding)

    @cached_property
    def norm(self) -> float:
        """The operator norm, exactly where the matrix is small enough; else that on a torus.

        Zero-padded convolution is cut out of the circular one on a torus of height + kernel − 1 by
        width + kernel − 1, so its norm is at most the largest over frequencies of ‖ŵ(frequency)‖_2
        (Sedghi, Gupta, Long 2019, Theorem 6).
        """
        _, height, width = self.image
        rows = len(self.weight) * prod(
            side + 2 * self.padding - self.weight.shape[-1] + 1 for side in (height, width)
        )
        if prod(self.image) * rows <= DENSE_NUMBERS:
            pictures = torch.eye(prod(self.image), dtype=self.weight.dtype)
            plain = Convolved(self.weight, None, self.padding, self.image)
            return spectral(plain(pictures).flatten(1))
        return self.torus_norm

    @cached_property
    def torus_norm(self) -> float:
        """The largest ‖ŵ(frequency)‖_2."""
        kernel = self.weight.shape[-1]
        sides = (self.image[1] + kernel - 1, self.image[2] + kernel - 1)
        transfer = torch.fft.fft2(self.weight, s=sides).permute(2, 3, 0, 1)
        norms = torch.linalg.matrix_norm(transfer, 2)
        return SLACK * float(norms.max())


@dataclass(frozen=True, eq=False)
class Pooled:
    """Max-pooling over disjoint 2×2 windows: |max a − max b| ≤ ‖a − b‖, so 1-Lipschitz."""

    norm: float = 1.0

    def __call__(self, h: Tensor) -> Tensor:
        """Half the height and width, odd ones rounded up."""
        return max_pool2d(h, 2, ceil_mode=True)


Stage = Dense | Convolved | Pooled


@dataclass(frozen=True, eq=False)
class Chain:
    """Stages in order; after every map but the last one σ(s) = max(s, leak·s), which is 1-Lipschitz."""

    stages: tuple[Stage, ...]
    leak: float = 0.0

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Outputs (k, C) and the pre-activations of every stage but the last (of a pool: its outputs)."""
        h, seen = x.flatten(1), []
        for stage in self.stages[:-1]:
            s = stage(h)
            seen.append(s)
            h = s if isinstance(stage, Pooled) else leaky(s, self.leak)
        return self.stages[-1](h), seen


@torch.no_grad()
def chain_of(model: nn.Module, input_shape: tuple[int, ...]) -> Chain | None:
    """The chain of a network that declares one, a single matrix where it is linear; None for any other, and
    where the activations of its stages differ."""
    found = described(model)
    if found is None:
        return None
    if found.linear:
        d = prod(input_shape)
        rows = model(torch.eye(d, dtype=torch.float64))
        return Chain((Dense(rows.reshape(d, -1).T.contiguous()),))
    if found.stages is None:
        return None
    leaks = {stage.leak for stage in found.stages[:-1] if not isinstance(stage, PoolStage)}
    if len(leaks) > 1 or not isinstance(found.stages[-1], Matrix):
        return None
    return Chain(tuple(_stage(model, stage) for stage in found.stages), *leaks)


def _stage(model: nn.Module, declared: Declared) -> Stage:
    """The map of a stage at the network's present weights."""
    if isinstance(declared, PoolStage):
        return Pooled()
    weight = _tensor(model, declared.parameter)
    bias = None if declared.bias is None else _tensor(model, declared.bias)
    if isinstance(declared, ConvolutionStage):
        return Convolved(weight, bias, declared.padding, declared.image)
    if declared.place is not None:
        numbers = slice(None) if declared.numbers is None else list(declared.numbers)
        flat = weight.new_zeros(prod(declared.shape))
        flat[list(declared.place)] = weight.flatten()[numbers]
        weight = flat
    return Dense(weight.reshape(declared.shape), bias)


def _tensor(model: nn.Module, name: str) -> Tensor:
    """The parameter or buffer of that name."""
    owner, _, own = name.rpartition(".")
    found: Tensor = getattr(model.get_submodule(owner), own)
    return found
