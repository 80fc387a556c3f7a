"""What a norm is to the rest: itself, its dual, and the way down that is steepest in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from workbench.arrays import Float


class Norm(ABC):
    """A norm of θ (P); `symbol` is how sentences write it.

    Steepest descent moves along the d of norm 1 that maximizes −⟨g, d⟩, which reaches the dual norm of g. On
    separable data and losses of exponential tail it maximizes the margin over this norm (Gunasekar et al.,
    Characterizing Implicit Bias in Terms of Optimization Geometry, 2018, Theorem 5).
    """

    symbol: ClassVar[str]

    @abstractmethod
    def norm(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """‖a‖ over the last axis."""

    @abstractmethod
    def dual(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """max ⟨a, d⟩ over ‖d‖ ≤ 1."""

    @abstractmethod
    def direction(self, gradient: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """d with ‖d‖ = 1 and ⟨g, d⟩ = −dual(g); 0 where g is 0."""
