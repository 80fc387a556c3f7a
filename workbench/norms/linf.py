"""‖a‖_∞ = max |a_i|, dual to ℓ1: steepest descent moves every coordinate by as much, sign descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.norms.norm import Norm


@dataclass(frozen=True)
class LInf(Norm):
    """The largest size."""

    symbol: ClassVar[str] = "ℓ∞"

    def norm(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """max |a_i|."""
        return np.abs(a).max(axis=-1, initial=0.0)

    def dual(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """Σ |a_i|."""
        return np.abs(a).sum(axis=-1)

    def direction(self, gradient: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """−sign(g_i); 0 where g_i is 0, which no choice would better."""
        return -np.sign(gradient)
