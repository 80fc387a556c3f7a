"""Batched ascent of a piecewise quadratic form on the sphere, polished cell by cell.

Conjugate directions with the best great-circle step of the current cell's form, halved where a
change of cell makes the true value fall; then the eigenvector of M_S nearest to the end, with S
updated until it is the eigenvector's own cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.ascent import Ascent
from workbench.theory.ncf.piecewise_quadratic import IN_CELL, REPEATED, PiecewiseQuadratic
from workbench.theory.numerics.outcome import End, Outcome

BLOCK = 256
"""Starts worked on at once: their heights over all lines stay in cache."""

STATIONARY = 1e-8
"""A tangent gradient below this share of the scale ends an ascent."""


@dataclass(frozen=True, eq=False)
class Polished:
    """An eigenvector in its own closed cell. `space` (k, d): its eigenspace, k > 1 for a flat set.

    `outcome`: iterations are cells, the residual is how far the direction is outside the last one.
    """

    direction: Float[Array, " d"]
    value: float
    space: Float[Array, "k d"]
    top: bool
    outcome: Outcome


def ascend(
    q: PiecewiseQuadratic,
    start: Float[Array, "B d"],
    *,
    iterations: int = 400,
    cancel: Callable[[], bool] | None = None,
) -> Ascent:
    """Ascents of Q from unit starts, along which it never falls.

    The outcome's residual: the largest tangent gradient over the scale, and `STATIONARY` is its tolerance.
    Cost per start and iteration: two products with the lines.
    """
    one_sided = _OneSided.of(q)
    work = np.empty((4, BLOCK, len(q.axis)))
    end, most, residual = start.copy(), 0, 0.0
    for begin in range(0, len(start), BLOCK):
        if cancel is not None and cancel():
            return Ascent(end, Outcome(End.CANCELLED, most, residual))
        block = start[begin : begin + BLOCK]
        end[begin : begin + BLOCK], taken, left = _ascend_block(one_sided, block, iterations, work)
        most, residual = max(most, taken), max(residual, left / q.scale)
    ended = End.CONVERGED if residual <= STATIONARY else End.OUT_OF_STEPS
    return Ascent(end, Outcome(ended, most, residual))


@dataclass(frozen=True, eq=False)
class _OneSided:
    """Q(u) = uᵀBu + Σ_j δ_j max(a_j·u, 0)²: the same form with half the terms."""

    base: Float[Array, "d d"]
    axis: Float[Array, "m d"]
    step: Float[Array, " m"]
    small: float

    @classmethod
    def of(cls, q: PiecewiseQuadratic) -> _OneSided:
        base = q.base + (q.axis * q.minus[:, None]).T @ q.axis
        return cls(base, np.ascontiguousarray(q.axis), q.plus - q.minus, STATIONARY * q.scale)

    def image(
        self, u: Float[Array, "B d"], s: Float[Array, "B m"], work: Float[Array, "B m"]
    ) -> Float[Array, "B d"]:
        """M_S u from the heights s of u."""
        np.maximum(s, 0.0, out=work)
        np.multiply(work, self.step, out=work)
        return u @ self.base + work @ self.axis

    def value(
        self, u: Float[Array, "B d"], s: Float[Array, "B m"], work: Float[Array, "B m"]
    ) -> Float[Array, " B"]:
        """Q from the heights s of u."""
        np.maximum(s, 0.0, out=work)
        return np.einsum("m,bm,bm->b", self.step, work, work) + np.sum((u @ self.base) * u, axis=1)


def _ascend_block(
    q: _OneSided, start: Float[Array, "B d"], iterations: int, work: Float[Array, "w b m"]
) -> tuple[Float[Array, "B d"], int, float]:
    """One block of `ascend`, with its iterations and the largest tangent gradient that is left.

    Rows that arrived leave the block when they are many.
    """
    end, row, u = start.copy(), np.arange(len(start)), start
    s = np.matmul(u, q.axis.T, out=work[0, : len(u)])
    image = q.image(u, s, work[1, : len(u)])
    value = np.sum(u * image, axis=1)
    residual = image - value[:, None] * u
    direction = residual
    taken = 0
    while taken < iterations:
        live = np.linalg.norm(residual, axis=1) > q.small
        if not live.any():
            break
        taken += 1
        if live.mean() < 0.75:
            end[row[~live]] = u[~live]
            row, u, value = row[live], u[live], value[live]
            residual, direction = residual[live], direction[live]
            work[0, : len(u)] = work[0, : len(live)][live]
        direction = direction - np.sum(direction * u, axis=1, keepdims=True) * u
        uphill = np.sum(direction * residual, axis=1) > 0
        direction = np.where(uphill[:, None], direction, residual)
        size = np.linalg.norm(direction, axis=1, keepdims=True)
        direction = direction / np.where(size > 0, size, 1.0)
        u, value = _step(q, u, value, residual, direction, work[:, : len(u)])
        image = q.image(u, work[0, : len(u)], work[1, : len(u)])
        old = np.linalg.norm(residual, axis=1)
        change = np.sum((image - value[:, None] * u) * residual, axis=1)
        residual = image - value[:, None] * u
        gain = (
            size[:, 0]
            * (np.sum(residual * residual, axis=1) - change)
            / np.maximum(old, 1e-150) ** 2
        )
        direction = residual + np.maximum(gain, 0.0)[:, None] * direction
    end[row] = u
    return end, taken, float(np.linalg.norm(residual, axis=1).max(initial=0.0))


def _step(
    q: _OneSided,
    u: Float[Array, "B d"],
    value: Float[Array, " B"],
    residual: Float[Array, "B d"],
    direction: Float[Array, "B d"],
    work: Float[Array, "w B m"],
) -> tuple[Float[Array, "B d"], Float[Array, " B"]]:
    """The best angle for the current cell's form along each great circle, halved until Q rises.

    `work[0]` holds the heights of u and is updated to those of the result.
    """
    s, rise, trial, spare = work
    np.matmul(direction, q.axis.T, out=rise)
    np.multiply(s > 0, q.step, out=spare)
    other = np.einsum("bm,bm,bm->b", spare, rise, rise)
    other += np.sum((direction @ q.base) * direction, axis=1)
    angle = 0.5 * np.arctan2(2.0 * np.sum(residual * direction, axis=1), value - other)
    _turned(s, rise, angle, trial, spare)
    moved = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * direction
    reached = q.value(moved, trial, spare)
    todo = np.flatnonzero(reached < value)
    for _ in range(12):
        if len(todo) == 0:
            break
        angle[todo] *= 0.5
        again = np.empty((2, len(todo), s.shape[1]))
        _turned(s[todo], rise[todo], angle[todo], again[0], again[1])
        there = np.cos(angle[todo])[:, None] * u[todo]
        there += np.sin(angle[todo])[:, None] * direction[todo]
        now = q.value(there, again[0], again[1])
        moved[todo], trial[todo], reached[todo] = there, again[0], now
        todo = todo[now < value[todo]]
    moved[todo], trial[todo], reached[todo] = u[todo], s[todo], value[todo]
    s[:] = trial
    return moved / np.linalg.norm(moved, axis=1, keepdims=True), reached


def _turned(
    s: Float[Array, "B m"],
    rise: Float[Array, "B m"],
    angle: Float[Array, " B"],
    out: Float[Array, "B m"],
    spare: Float[Array, "B m"],
) -> None:
    """Heights after a turn by `angle` toward the direction with heights `rise`, into `out`."""
    np.multiply(s, np.cos(angle)[:, None], out=out)
    np.multiply(rise, np.sin(angle)[:, None], out=spare)
    np.add(out, spare, out=out)


def polish(q: PiecewiseQuadratic, u: Float[Array, " d"], rounds: int = 12) -> Polished:
    """The critical direction next to u; not converged where the cells do not settle."""
    for taken in range(1, rounds + 1):
        height = q.axis @ u
        signs = np.where(height > 0, 1, -1).astype(np.int8)
        values, vectors = np.linalg.eigh(q.matrices(signs[None])[0])
        at = float(values @ (vectors.T @ u) ** 2)
        nearest = int(np.argmin(np.abs(values - at)))
        same = np.abs(values - values[nearest]) <= REPEATED * q.scale
        space = vectors[:, same].T
        moved = (space @ u) @ space
        size = float(np.linalg.norm(moved))
        value, top = float(values[nearest]), bool(same[-1])
        if size < 0.5:
            return Polished(u, value, space, top, Outcome(End.STALLED, taken))
        moved /= size
        outside = -float(((q.axis @ moved) * signs).min(initial=0.0))
        if outside <= IN_CELL:
            return Polished(moved, value, space, top, Outcome(End.CONVERGED, taken, outside))
        u = moved
    return Polished(u, value, space, top, Outcome(End.OUT_OF_STEPS, rounds, outside))
