"""The NCF's gradient field of two-layer ReLU neurons, with sliding along concave kinks.

Where v·g falls off on both sides of a data plane, the flow u̇ ∈ v ∂g(u) reaches the plane and stays on
it: among v·conv{slopes} it takes the one along the plane (Filippov's solution, KH24 Lemma A.3). Taking
a one-sided slope instead makes any integrator chatter. Here planes nearer than a stated width are
treated as reached: their weights c minimize ‖s + A_Jᵀc‖ between the two one-sided weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import lsq_linear

from workbench.arrays import Array
from workbench.theory.ncf.merged_lines import MergedLines


@dataclass(frozen=True, eq=False)
class SlidingField:
    """`lines`: the merged data. `width`: angle (radians) within which a concave kink holds."""

    lines: MergedLines
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
        """Set, in place, the weights of near planes to those of least speed; the result: which hold.

        A plane holds when that leaves no speed across it; else the flow leaves it toward the side
        whose weight it got.
        """
        lines, holding = self.lines, near.copy()
        slack = 1e-12 * lines.scale
        count = near.sum(axis=1)
        one = np.flatnonzero(count == 1)
        if len(one):
            plane = np.argmax(near[one], axis=1)
            axis = lines.axis[plane]
            slope = weight[one] @ lines.axis
            c = weight[one, plane] - np.sum(axis * slope, axis=1)
            low = np.minimum(lines.plus, lines.minus)[plane]
            high = np.maximum(lines.plus, lines.minus)[plane]
            weight[one, plane] = np.clip(c, low, high)
            holding[one, plane] = (c >= low - slack) & (c <= high + slack)
        for row in np.flatnonzero(count > 1):
            at = np.flatnonzero(near[row])
            rest = np.where(near[row], 0.0, weight[row]) @ lines.axis
            low = np.minimum(lines.plus, lines.minus)[at]
            high = np.maximum(lines.plus, lines.minus)[at]
            axis = lines.axis[at]
            c = np.linalg.solve(axis @ axis.T + 1e-14 * np.eye(len(at)), -axis @ rest)
            if (c < low).any() or (c > high).any():
                c = np.asarray(lsq_linear(axis.T, -rest, (low, high), method="bvls").x)
            weight[row, at] = c
            across = axis @ (rest + c @ axis)
            holding[row, at] = np.abs(across) <= slack
        return holding
