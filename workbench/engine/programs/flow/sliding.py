"""The pieces on which a two-layer (leaky) ReLU network is smooth, and motion along the kinks between them.

A pair (k, i) of a neuron and a sample has its kink where s = ⟨u_k, x_i⟩ = 0. Across it du_k/dt jumps by
(1 − leak) c x_i, c = a_k ∂F/∂Φ_i. Where c > 0 the flow goes through. Where c < 0 both sides may drive
towards the kink: then the flow slides along it (A. F. Filippov, Differential equations with discontinuous
right-hand sides, 1988, §4), with the element of least norm of Clarke's subdifferential (LL20 §3.1 takes
any flow of it): gates α ∈ [leak, 1] of the pairs that slide such that ⟨du_k, x_i⟩ = 0 for all of them,
that is the rest of the pull on u_k projected off their x_i. On a piece, sides and slides given, the field
is analytic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from workbench.arrays import Array, Float, Int

DEPENDENT = 1e-10
"""Part of an input off the others' span under which it adds nothing to it."""


@dataclass(frozen=True, eq=False)
class Piece:
    """`sides` (H, n): 1 where s > 0, −1 where s < 0, 0 where the pair slides; inputs x (n, d)."""

    sides: Int[np.ndarray, "H n"]
    x: Float[np.ndarray, "n d"]
    leak: float

    @cached_property
    def gates(self) -> Float[np.ndarray, "H n"]:
        """σ'(s), 0 for pairs that slide."""
        gates = np.where(self.sides > 0, 1.0, self.leak)
        gates[self.sides == 0] = 0.0
        return gates

    @cached_property
    def slides(self) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Neuron and sample of every pair that slides, by neurons."""
        owner, sample = np.nonzero(self.sides == 0)
        return owner, sample

    @property
    def owner(self) -> Int[np.ndarray, " m"]:
        """The neurons of the pairs that slide."""
        return self.slides[0]

    @cached_property
    def parts(self) -> list[tuple[slice, Float[np.ndarray, "a a"]]]:
        """Of every neuron that slides: where its pairs are among all that do, and R⁻¹, xᵀ = QR."""
        return self._factors[1]

    @cached_property
    def basis(self) -> Float[np.ndarray, "m d"]:
        """Qᵀ: an orthonormal basis of what u_k does not move in, neuron by neuron."""
        return self._factors[0]

    @cached_property
    def _factors(
        self,
    ) -> tuple[Float[np.ndarray, "m d"], list[tuple[slice, Float[np.ndarray, "a a"]]]]:
        owner, sample = self.slides
        basis = np.zeros((len(owner), self.x.shape[1]))
        parts = []
        starts = [*np.flatnonzero(np.diff(owner, prepend=-1)), len(owner)]
        for begin, end in pairwise(starts):
            place = slice(int(begin), int(end))
            q, r = np.linalg.qr(self.x[sample[place]].T)
            basis[place] = q.T
            parts.append((place, np.linalg.inv(r)))
        return basis, parts

    def project(self, u: Float[np.ndarray, "H d"]) -> Float[np.ndarray, " m"]:
        """Take off u, in place, what the kinks hold; Qᵀu of that."""
        owner = self.owner
        if not len(owner):
            return np.zeros(0)
        held = np.einsum("md,md->m", u[owner], self.basis)
        np.subtract.at(u, owner, held[:, None] * self.basis)
        return held

    def forces(self, held: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """cα of the pairs that slide, where `held` was taken off the pull of the others."""
        found = np.zeros(len(held))
        for place, inverse in self.parts:
            found[place] = -(inverse @ held[place])
        return found

    def leaves_way(self, samples: Int[np.ndarray, " a"]) -> bool:
        """Whether a neuron on all these kinks can move, and none of them follows from the others."""
        if len(samples) >= self.x.shape[1]:
            return False
        x = self.x[samples]
        size = np.sqrt(np.sum(x * x, axis=1)).max()
        return bool(np.abs(np.diag(np.linalg.qr(x.T, mode="r"))).min() > DEPENDENT * size)


def least_pull(
    rest: Float[np.ndarray, " d"], columns: Float[np.ndarray, "a d"], leak: float
) -> Float[np.ndarray, " a"]:
    """α ∈ [leak, 1] that minimizes ‖rest + Σ α_i columns_i‖, by active sets; exactly at a bound where held.

    C. L. Lawson, R. J. Hanson, Solving least squares problems, 1974, ch. 23, with two bounds (BVLS).
    """
    count = len(columns)
    alpha = np.full(count, 0.5 * (leak + 1.0))
    free = np.ones(count, dtype=bool)
    for _ in range(10 * count):
        fixed = rest + alpha[~free] @ columns[~free]
        wanted = np.linalg.lstsq(columns[free].T, -fixed, rcond=None)[0]
        outside = (wanted < leak) | (wanted > 1.0)
        if outside.any():
            now = alpha[free]
            bound = np.where(wanted > 1.0, 1.0, leak)
            with np.errstate(divide="ignore", invalid="ignore"):
                part = np.where(outside, (bound - now) / (wanted - now), np.inf)
            first = int(np.argmin(part))
            now = now + part[first] * (wanted - now)
            now[first] = bound[first]
            alpha[free] = now
            free[np.flatnonzero(free)[first]] = False
            continue
        alpha[free] = wanted
        slope = columns @ (fixed + wanted @ columns[free])
        wrong = np.where(free, 0.0, np.where(alpha >= 1.0, slope, -slope))
        worst = int(np.argmax(wrong))
        if not wrong[worst] > 1e-12 * float(np.abs(columns[worst] @ columns[worst])):
            break
        free[worst] = True
    return alpha


def sides_of(s: Float[np.ndarray, "H n"], kept: Array | None) -> Int[np.ndarray, "H n"]:
    """Sides of all pairs: by sign, but for those that `kept` (m, 2) names, pair k·n + i and side."""
    sides = np.where(s > 0.0, 1, -1).astype(np.int8)
    if kept is not None and len(kept):
        sides.reshape(-1)[kept[:, 0]] = kept[:, 1]
    return sides
