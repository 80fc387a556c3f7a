"""A network as a chain of affine maps, pools and ReLUs, with a bound on the operator norm of each map.

For the workbench's own ReLU networks; what is known of nothing else is not guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from workbench.models.convolutional import Convolution, Convolutional, Pool
from workbench.models.deep_linear import DeepLinear
from workbench.models.deep_relu import DeepRelu
from workbench.models.diagonal import Diagonal
from workbench.models.network import leaky
from workbench.models.shared_patches import SharedPatches
from workbench.models.skip_linear import SkipLinear
from workbench.models.sparse import Sparse
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.models.two_trainable_relu import TwoTrainableRelu

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


def chain_of(model: nn.Module, input_shape: tuple[int, ...]) -> Chain | None:
    """The chain of one of the workbench's own networks; None for any other, and for squares of ReLUs."""
    with torch.no_grad():
        return _chain(model, prod(input_shape))


def _chain(model: nn.Module, d: int) -> Chain | None:
    linear = isinstance(model, DeepLinear | SkipLinear)
    if linear or getattr(model, "activation", "") == "linear":
        rows = model(torch.eye(d, dtype=torch.float64))
        return Chain((Dense(rows.reshape(d, -1).T.contiguous()),))
    match model:
        case TwoLayerRelu():
            return Chain((Dense(model.u), Dense(model.v[None])), model.leak)
        case DeepRelu():
            weights = [model.get_parameter(f"w{k}") for k in range(1, model.depth + 1)]
            return Chain(tuple(Dense(w) for w in weights), model.leak)
        case TwoTrainableRelu():
            return Chain((Dense(model.w1), Dense(model.w2), Dense(model.v[None])), model.leak)
        case Sparse():
            count = len(model.shapes)
            return Chain(tuple(Dense(model.matrix(k)) for k in range(1, count + 1)))
        case Diagonal():
            weights = [model.get_parameter(f"w{j}") for j in range(1, model.depth + 1)]
            hidden = [Dense(torch.diag(w)) for w in weights[:-1]]
            return Chain((*hidden, Dense(weights[-1][None])))
        case SharedPatches():
            first = torch.kron(torch.eye(model.patches, dtype=model.w.dtype), model.w[None])
            return Chain((Dense(first), Dense(model.v[None])))
        case Convolutional():
            return Chain(_pictures(model))
    return None


def _pictures(model: Convolutional) -> tuple[Stage, ...]:
    """The stages of a convolutional network's plan."""
    stages: list[Stage] = []
    image, k = model.image, 0
    for part in model.plan:
        if isinstance(part, Pool):
            stages.append(Pooled())
            image = (image[0], -(-image[1] // 2), -(-image[2] // 2))
            continue
        k += 1
        weight: Tensor = model.get_parameter(f"w{k}")
        bias: Tensor | None = getattr(model, f"b{k}", None)
        if isinstance(part, Convolution):
            stages.append(Convolved(weight, bias, part.padding, image))
            grown = 2 * part.padding - part.kernel + 1
            image = (part.channels, image[1] + grown, image[2] + grown)
        else:
            stages.append(Dense(weight, bias))
    return tuple(stages)
