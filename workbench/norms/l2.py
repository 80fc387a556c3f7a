"""‖a‖_2 = (Σ a_i²)^½, its own dual: gradient descent in steps of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.norms.norm import Norm


@dataclass(frozen=True)
class L2(Norm):
    """The Euclidean norm."""

    symbol: ClassVar[str] = "ℓ2"

    def norm(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """‖a‖_2 over the last axis, scaled so that neither tiny nor huge entries are lost.

        A row's value does not depend on the other rows, to the last bit: how records were cut into
        chunks must not show.
        """
        # One array for all of it: fresh memory costs more than the arithmetic.
        room = np.abs(a)
        top = np.max(room, axis=-1, keepdims=True, initial=0.0)
        safe = np.where((top > 0) & np.isfinite(top), top, 1.0)
        np.divide(a, safe, out=room)
        room *= room
        return np.asarray(np.sqrt(np.sum(room, axis=-1)) * safe[..., 0])

    def dual(self, a: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "..."]:
        """‖a‖_2."""
        return self.norm(a)

    def direction(self, gradient: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """−g/‖g‖_2."""
        size = self.norm(gradient)
        return -gradient / size if size > 0.0 else np.zeros_like(gradient)
