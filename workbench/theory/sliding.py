"""The NCF's gradient field of two-layer ReLU neurons, with sliding along concave kinks.

Where v·g falls off on both sides of a data plane, the flow u̇ ∈ v ∂g(u) reaches the plane and stays on
it: among v·conv{slopes} it takes the one along the plane (Filippov's solution, KH24 Lemma A.3). Taking
a one-sided slope instead makes any integrator chatter. Here planes nearer than a stated width are
treated as reached: the weights c of the planes J that hold solve A_J(s + A_Jᵀc) = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from workbench.arrays import Array
from workbench.theory.lines import Lines


@dataclass(frozen=True, eq=False)
class SlidingField:
    """`lines`: the merged data. `width`: angle (radians) within which a concave kink holds."""

    lines: Lines
    width: float

    def gradient(self, w: Float[Array, "B p"]) -> Float[Array, "B p"]:
        """(g(u), v·slope) with the slope of the cell, or along the planes that hold."""
        v, u = w[:, 0], w[:, 1:]
        lines = self.lines
        s = u @ lines.axis.T
        weight = np.where(s > 0, lines.plus, lines.minus)
        g = np.sum(weight * s, axis=1)
        near = self._near(v, u, s)
        for row in np.flatnonzero(near.any(axis=1)):
            self._hold(weight[row], near[row])
        return np.column_stack([g, v[:, None] * (weight @ lines.axis)])

    def onto_kinks(self, w: Float[Array, "B p"]) -> Float[Array, "B p"]:
        """Unit directions moved onto the planes that hold them, by at most about the width."""
        v, u = w[:, 0], w[:, 1:]
        s = u @ self.lines.axis.T
        weight = np.where(s > 0, self.lines.plus, self.lines.minus)
        near = self._near(v, u, s)
        moved = w
        for row in np.flatnonzero(near.any(axis=1)):
            holding = self._hold(weight[row], near[row])
            if holding.any():
                moved = moved.copy() if moved is w else moved
                axis = self.lines.axis[holding]
                moved[row, 1:] -= np.linalg.lstsq(axis, axis @ u[row])[0]
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    def _near(
        self, v: Float[Array, " B"], u: Float[Array, "B d"], s: Float[Array, "B m"]
    ) -> Bool[Array, "B m"]:
        """Planes within the width whose kink is concave for v·g."""
        concave = np.sign(v)[:, None] * (self.lines.plus - self.lines.minus) < 0
        return concave & (np.abs(s) <= self.width * np.linalg.norm(u, axis=1)[:, None])

    def _hold(self, weight: Float[Array, " m"], near: Bool[Array, " m"]) -> Bool[Array, " m"]:
        """Set, in place, the weights of the planes that hold; those pushed away are let go."""
        lines = self.lines
        holding = near.copy()
        while holding.any():
            axis = lines.axis[holding]
            rest = np.where(holding, 0.0, weight) @ lines.axis
            c = np.linalg.lstsq(axis.T, -rest)[0]
            low = np.minimum(lines.plus[holding], lines.minus[holding])
            high = np.maximum(lines.plus[holding], lines.minus[holding])
            excess = np.maximum(low - c, c - high)
            worst = int(np.argmax(excess))
            if excess[worst] <= 0:
                weight[holding] = c
                break
            holding[np.flatnonzero(holding)[worst]] = False
        return holding
