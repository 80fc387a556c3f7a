"""The stiff directions of two-layer networks, Φ(x) = Σ_k a_k φ(⟨u_k, x⟩), without a row written down.

A row ∂s_p is (a_k φ'(s_pk) x_p)_k, and φ(s_pk) where a is trained: its products with a vector, and of rows
with each other, are sums over neurons of products in n and d.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.arrays import Float
from workbench.engine.programs.flow.sliding import Piece


@dataclass(frozen=True, eq=False)
class NeuronRows:
    """Stiffness of rows ∂s_p of a two-layer network, p = 1..k; see Stiffness and LowRank.

    `x` (k, d): the pairs' inputs. `inner` (H, k): ∂s_p/∂⟨u_k, x_p⟩. `outer` (H, k): ∂s_p/∂a_k, None where a
    is fixed. Moves of u are within the `piece`.
    """

    x: Float[np.ndarray, "k d"]
    inner: Float[np.ndarray, "H k"]
    outer: Float[np.ndarray, "H k"] | None
    piece: Piece | None
    core: Float[np.ndarray, "k k"]
    drift: Float[np.ndarray, " k"]
    point: Float[np.ndarray, " P"]
    slope: Float[np.ndarray, " P"]
    divisor: float
    far: bool

    @cached_property
    def radial(self) -> Float[np.ndarray, " k"]:
        """rows · u; 0 in the near chart, where u is not taken off."""
        return self._plain(self.point) if self.far else np.zeros(len(self.core))

    @cached_property
    def cross(self) -> Float[np.ndarray, "k k"]:
        """rows · Bᵀ."""
        gram = (self.inner.T @ self.inner) * (self.x @ self.x.T)
        if self.piece is not None and len(self.piece.owner):
            held = self.inner[self.piece.owner] * (self.piece.basis @ self.x.T)
            gram -= held.T @ held
        if self.outer is not None:
            gram += self.outer.T @ self.outer
        gram -= np.outer(self.radial, self.radial)
        return (gram - np.outer(self.along(self.slope), self.radial)) / self.divisor

    @property
    def lengths(self) -> Float[np.ndarray, " k"]:
        """‖row‖²."""
        whole = np.sum(self.inner**2, 0) * np.sum(self.x**2, 1)
        if self.piece is not None and len(self.piece.owner):
            held = self.inner[self.piece.owner] * (self.piece.basis @ self.x.T)
            whole -= np.sum(held**2, 0)
        if self.outer is not None:
            whole += np.sum(self.outer**2, 0)
        return whole - self.radial**2

    def along(self, stage: Float[np.ndarray, " P"]) -> Float[np.ndarray, " k"]:
        """rows · stage."""
        found = self._plain(stage)
        return found - self.radial * (self.point @ stage) if self.far else found

    def back(self, c: Float[np.ndarray, " k"]) -> Float[np.ndarray, " P"]:
        """Bᵀc."""
        u = (self.inner * c) @ self.x
        if self.piece is not None:
            self.piece.project(u)
        whole = u.ravel()
        if self.outer is not None:
            whole = np.concatenate([whole, self.outer @ c])
        radial = self.radial @ c
        if self.far:
            whole -= radial * self.point
        return (whole - radial * self.slope) / self.divisor

    def _plain(self, stage: Float[np.ndarray, " P"]) -> Float[np.ndarray, " k"]:
        """∂s_p · stage."""
        width, d = len(self.inner), self.x.shape[1]
        u = stage[: width * d].reshape(width, d)
        if self.piece is not None and len(self.piece.owner):
            u = u.copy()
            self.piece.project(u)
        found = np.einsum("hk,hk->k", u @ self.x.T, self.inner)
        return found if self.outer is None else found + stage[width * d :] @ self.outer
