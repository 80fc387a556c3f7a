"""Batched ascent of a piecewise linear function on the sphere, polished by an active set of kinks.

g(u) = b·u + Σ_j w_j a_j·u. The ascent moves toward the slope of the current cell with falling steps.
The polish fixes the concave kinks J it sits on, moves to the best point of that face, u ∥ s + A_Jᵀc
with c = −(A_J A_Jᵀ)⁻¹A_J s, adds the first concave kink in the way, passes convex kinks (g lies
above its linear part there), turns to the other side of a convex kink it would rest on, and lets
go of a kink whose c_j leaves [plus_j, minus_j]: g never falls, and it ends at a local maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.ascent import Ascent
from workbench.theory.ncf.piecewise_linear import PiecewiseLinear
from workbench.theory.numerics.outcome import End, Outcome

BLOCK = 256
STEPS = np.concatenate([np.full(40, 0.15), 0.15 * 0.87 ** np.arange(60)])
"""Step toward the slope's direction, as a share, by iteration."""

SMALL = 1e-11
"""A slope, or a weight outside its interval, below this share of the scale counts as zero."""

TOUCH = 1e-11
"""A unit vector with |a_j·u| below this touches plane j."""


@dataclass(frozen=True, eq=False)
class Settled:
    """Ends of the polish: `direction` (B, d), `fixed` (B, m) kinks it sits on, `slope_size` (B,) the
    length of the stationary slope (0: flat), `done` (B,): whether the active set came to rest.

    `outcome`: iterations are rounds; converged where all came to rest.
    """

    direction: Float[Array, "B d"]
    fixed: Bool[Array, "B m"]
    slope_size: Float[Array, " B"]
    done: Bool[Array, " B"]
    outcome: Outcome


def ascend(
    g: PiecewiseLinear,
    start: Float[Array, "B d"],
    *,
    cancel: Callable[[], bool] | None = None,
) -> Ascent:
    """Ascents of g from unit starts, for as many steps as `STEPS` has: `settle` goes on from there."""
    base = g.base + g.minus @ g.axis
    step = g.plus - g.minus
    work = np.empty((BLOCK, len(g.axis)))
    end = start.copy()
    for begin in range(0, len(start), BLOCK):
        if cancel is not None and cancel():
            return Ascent(end, Outcome(End.CANCELLED, len(STEPS)))
        u = start[begin : begin + BLOCK]
        s = work[: len(u)]
        for share in STEPS:
            np.matmul(u, g.axis.T, out=s)
            np.multiply(s > 0, step, out=s)
            slope = base + s @ g.axis
            size = np.linalg.norm(slope, axis=1, keepdims=True)
            moving = size > SMALL * g.scale
            aim = np.where(moving, slope / np.where(moving, size, 1.0), u)
            u = (1 - share) * u + share * aim
            size = np.linalg.norm(u, axis=1, keepdims=True)
            u = np.where(size > 1e-9, u / np.where(size > 1e-9, size, 1.0), aim)
        end[begin : begin + BLOCK] = u
    return Ascent(end, Outcome(End.OUT_OF_STEPS, len(STEPS)))


def settle(
    g: PiecewiseLinear,
    start: Float[Array, "B d"],
    *,
    rounds: int = 200,
    cancel: Callable[[], bool] | None = None,
) -> Settled:
    """The active-set polish of a batch; rows that are at rest leave it."""
    count, m = len(start), len(g.axis)
    direction, fixed = start.copy(), np.zeros((count, m), dtype=bool)
    size, done = np.zeros(count), np.zeros(count, dtype=bool)
    height = start @ g.axis.T
    side = np.where(height > 0, 1, -1).astype(np.int8)
    near = np.abs(height) <= 2 * STEPS[-1]
    fixed |= near & (g.plus < g.minus)
    fixed[fixed.sum(axis=1) >= start.shape[1]] = False
    row = np.arange(count)
    u, hold, signs = start.copy(), fixed.copy(), side
    taken, end = 0, End.OUT_OF_STEPS
    while taken < rounds and len(row):
        if cancel is not None and cancel():
            end = End.CANCELLED
            break
        taken += 1
        u, hold, signs, slope_size, rest = _move(g, u, hold, signs)
        direction[row], fixed[row], size[row], done[row] = u, hold, slope_size, rest
        go = ~rest
        row, u, hold, signs = row[go], u[go], hold[go], signs[go]
    end = End.CONVERGED if done.all() else end
    return Settled(direction, fixed, size, done, Outcome(end, taken))


def _move(
    g: PiecewiseLinear,
    u: Float[Array, "B d"],
    hold: Bool[Array, "B m"],
    side: Int[Array, "B m"],
) -> tuple[
    Float[Array, "B d"],
    Bool[Array, "B m"],
    Int[Array, "B m"],
    Float[Array, " B"],
    Bool[Array, " B"],
]:
    """One round of the polish: new direction, kinks, sides, slope length, and which rows rest."""
    slope, weight, planes, real = _face_slope(g, hold, side)
    size = np.linalg.norm(slope, axis=1)
    flat = size <= SMALL * g.scale
    target = np.where(flat[:, None], u, slope / np.where(flat, 1.0, size)[:, None])
    line, share = _first_in_the_way(g, u, target, hold, side)
    blocked = np.isfinite(share)
    part = np.where(blocked, share, 1.0)[:, None]
    moved = (1 - part) * u + part * target
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    convex = (g.plus > g.minus) & ~hold
    height = np.where(convex, moved @ g.axis.T, side)
    there = np.where(np.abs(height) > TOUCH, np.sign(height), side).astype(np.int8)
    settled = ~blocked & (there == side).all(axis=1)
    side, hold = there, hold.copy()
    hold[blocked, line[blocked]] = True
    settled &= ~_let_go(g, hold, side, weight, planes, real, settled)
    on_convex = (np.abs(height) <= TOUCH) & convex & settled[:, None]
    climbs = on_convex.any(axis=1) & ~flat
    if climbs.any():
        side[climbs, np.argmax(on_convex[climbs], axis=1)] *= -1
    return moved, hold, side, np.where(flat, 0.0, size), settled & ~climbs


def _first_in_the_way(
    g: PiecewiseLinear,
    u: Float[Array, "B d"],
    target: Float[Array, "B d"],
    hold: Bool[Array, "B m"],
    side: Int[Array, "B m"],
) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
    """The first concave kink between u and the target, and at what share of the way; inf: none."""
    if len(g.axis) == 0:
        return np.zeros(len(u), dtype=np.int64), np.full(len(u), np.inf)
    now, then = u @ g.axis.T, target @ g.axis.T
    crossing = (side * then < -TOUCH) & (g.plus < g.minus) & ~hold
    gap = np.abs(now) + np.abs(then)
    share = np.where(crossing, np.abs(now) / np.where(gap > 0, gap, 1.0), np.inf)
    share = np.where(crossing & (now * side < 0), 0.0, share)
    first = np.argmin(share, axis=1)
    return first, share[np.arange(len(u)), first]


def _let_go(
    g: PiecewiseLinear,
    hold: Bool[Array, "B m"],
    side: Int[Array, "B m"],
    weight: Float[Array, "B k"],
    planes: Int[Array, "B k"],
    real: Bool[Array, "B k"],
    settled: Bool[Array, " B"],
) -> Bool[Array, " B"]:
    """Release, in place, the kink of each settled row that holds against its will the most."""
    if planes.shape[1] == 0:
        return np.zeros(len(hold), dtype=bool)
    rows = np.arange(len(hold))
    excess = np.where(real, np.maximum(g.plus[planes] - weight, weight - g.minus[planes]), -np.inf)
    worst = np.argmax(excess, axis=1)
    free = settled & (excess[rows, worst] > SMALL * g.scale)
    line = planes[rows, worst]
    hold[rows[free], line[free]] = False
    up = weight[rows, worst] < g.plus[line]
    side[rows[free], line[free]] = np.where(up, 1, -1)[free]
    return free


def _face_slope(
    g: PiecewiseLinear, hold: Bool[Array, "B m"], side: Int[Array, "B m"]
) -> tuple[Float[Array, "B d"], Float[Array, "B k"], Int[Array, "B k"], Bool[Array, "B k"]]:
    """s + A_Jᵀc of each row's face, c, and J as padded indices with their mask."""
    weight = np.where(hold, 0.0, np.where(side > 0, g.plus, g.minus))
    slope = g.base + weight @ g.axis
    counts = hold.sum(axis=1)
    most = int(counts.max(initial=0))
    planes = np.zeros((len(hold), most), dtype=np.int64)
    real = np.arange(most) < counts[:, None]
    planes[real] = np.nonzero(hold)[1]
    if most == 0:
        return slope, np.zeros((len(hold), 0)), planes, real
    meet = np.where(real[:, :, None], g.axis[planes], 0.0)
    gram = meet @ meet.transpose(0, 2, 1)
    gram += 1e-14 * np.eye(most) + np.where(real, 0.0, 1.0)[:, :, None] * np.eye(most)
    c = -np.linalg.solve(gram, meet @ slope[:, :, None])[:, :, 0]
    return slope + np.einsum("bk,bkd->bd", c, meet), c, planes, real
