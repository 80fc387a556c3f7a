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
        s = u @ self.lines.axis.T
        weight = np.where(s > 0, self.lines.plus, self.lines.minus)
        g = np.sum(weight * s, axis=1)
        self._hold(weight, self._near(v, u, s))
        return np.column_stack([g, v[:, None] * (weight @ self.lines.axis)])

    def onto_kinks(self, w: Float[Array, "B p"]) -> Float[Array, "B p"]:
        """Unit directions moved onto the planes that hold them, by at most about the width."""
        v, u = w[:, 0], w[:, 1:]
        s = u @ self.lines.axis.T
        weight = np.where(s > 0, self.lines.plus, self.lines.minus)
        holding = self._hold(weight, self._near(v, u, s))
        count = holding.sum(axis=1)
        moved = w.copy()
        one = np.flatnonzero(count == 1)
        axis = self.lines.axis[np.argmax(holding[one], axis=1)]
        moved[one, 1:] -= np.sum(axis * u[one], axis=1, keepdims=True) * axis
        for row in np.flatnonzero(count > 1):
            axis = self.lines.axis[holding[row]]
            moved[row, 1:] -= np.linalg.lstsq(axis, axis @ u[row])[0]
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    def _near(
        self, v: Float[Array, " B"], u: Float[Array, "B d"], s: Float[Array, "B m"]
    ) -> Bool[Array, "B m"]:
        """Planes within the width whose kink is concave for v·g."""
        concave = np.sign(v)[:, None] * (self.lines.plus - self.lines.minus) < 0
        return concave & (np.abs(s) <= self.width * np.linalg.norm(u, axis=1)[:, None])

    def _hold(self, weight: Float[Array, "B m"], near: Bool[Array, "B m"]) -> Bool[Array, "B m"]:
        """Set, in place, the weights of the planes that hold; which do is the result."""
        lines, holding = self.lines, near.copy()
        count = near.sum(axis=1)
        one = np.flatnonzero(count == 1)
        if len(one):
            plane = np.argmax(near[one], axis=1)
            axis = lines.axis[plane]
            slope = weight[one] @ lines.axis
            c = weight[one, plane] - np.sum(axis * slope, axis=1)
            ends = lines.plus[plane], lines.minus[plane]
            fits = (c >= np.minimum(*ends)) & (c <= np.maximum(*ends))
            weight[one[fits], plane[fits]] = c[fits]
            holding[one[~fits]] = False
        for row in np.flatnonzero(count > 1):
            self._hold_many(weight[row], holding[row])
        return holding

    def _hold_many(self, weight: Float[Array, " m"], holding: Bool[Array, " m"]) -> None:
        """One row near several planes, in place; the plane pushed away most is let go first."""
        lines = self.lines
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
                return
            holding[np.flatnonzero(holding)[worst]] = False
