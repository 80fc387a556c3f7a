"""The largest singular value over θ's matrices, dual to the sum of nuclear norms: what Muon descends in.

A tensor (r, …) counts as the matrix (r, rest) of an output a row, a vector as one column, so that its norm is
ℓ2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.norms.l2 import L2
from workbench.norms.norm import Norm


@dataclass(frozen=True)
class Spectral(Norm):
    """Of θ (P) made of parameters with these `shapes`, one behind the other."""

    shapes: tuple[tuple[int, ...], ...]
    symbol: ClassVar[str] = "spectral"

    def norm(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """max_k σ_1(W_k)."""
        return self._singular(a, lambda s: s.max(axis=-1)).max(axis=0)

    def dual(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """Σ_k Σ_i σ_i(W_k)."""
        return self._singular(a, lambda s: s.sum(axis=-1)).sum(axis=0)

    def direction(self, gradient: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """−U Vᵀ of every gradient G_k = U S Vᵀ, over the singular values that are more than rounding.

        Those left out add nothing to ⟨G, d⟩, and their singular vectors are arbitrary: the gradients of a
        network of one output often have rank 1.
        """
        parts = []
        for matrix in self._matrices(gradient):
            left, size, right = np.linalg.svd(matrix, full_matrices=False)
            rounding = size[0] * max(matrix.shape) * np.finfo(matrix.dtype).eps
            rank = int((size > rounding).sum())
            parts.append(-(left[:, :rank] @ right[:rank]).reshape(-1))
        return np.concatenate(parts)

    def _singular(
        self,
        a: Float[np.ndarray, "... P"],
        of: Callable[[Float[np.ndarray, "... r"]], Float[np.ndarray, "..."]],
    ) -> Float[np.ndarray, "m ..."]:
        """A number of every matrix's singular values."""
        return np.stack([of(_singular_values(m)) for m in self._matrices(a)])

    def _matrices(self, a: Float[np.ndarray, "... P"]) -> Iterator[Float[np.ndarray, "... r c"]]:
        """θ's parameters as matrices."""
        start = 0
        for shape in self.shapes:
            stop = start + prod(shape)
            yield a[..., start:stop].reshape(*a.shape[:-1], *matrix_shape(shape))
            start = stop


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns that a parameter of this shape has as a matrix."""
    rows = shape[0] if shape else 1
    return rows, prod(shape[1:])


def _singular_values(matrices: Float[np.ndarray, "... r c"]) -> Float[np.ndarray, "... s"]:
    """Of every matrix, largest first; NaN for one that is not finite, for which LAPACK raises."""
    if min(matrices.shape[-2:]) == 1:
        return L2().norm(matrices.reshape(*matrices.shape[:-2], -1))[..., None]
    good = np.isfinite(matrices).all(axis=(-2, -1))
    if good.all():
        return np.linalg.svd(matrices, compute_uv=False)
    found = np.linalg.svd(np.where(good[..., None, None], matrices, 0.0), compute_uv=False)
    return np.where(good[..., None], found, np.nan)
