"""‖a‖_1 = Σ |a_i|, dual to ℓ∞: steepest descent moves one coordinate, as boosting does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.norms.norm import Norm


@dataclass(frozen=True)
class L1(Norm):
    """The sum of sizes."""

    symbol: ClassVar[str] = "ℓ1"

    def norm(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """Σ |a_i|."""
        return np.abs(a).sum(axis=-1)

    def dual(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """max |a_i|."""
        return np.abs(a).max(axis=-1, initial=0.0)

    def direction(self, gradient: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """−sign(g_j) e_j for the first j with the largest |g_j|."""
        found = np.zeros_like(gradient)
        largest = int(np.argmax(np.abs(gradient)))
        found[largest] = -np.sign(gradient[largest])
        return found
