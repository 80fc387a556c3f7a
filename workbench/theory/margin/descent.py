"""Descent of (P) piece by piece: the steps that bring a point of the flow near its KKT point.

Each step solves (P) with its margins made linear and a proximal weight ρ on the way (Nesterov-type
prox-linear method): min ½‖θ‖² + ½ρ‖θ − θ_k‖², exact by least-distance programming. Where a margin is
concave across a kink, the kink is a wall: the step stays on its side, and the wall's multiplier says which
gate between the two one-sided gradients holds the sample there, or that it goes through. A step counts
if the least norm along its ray, γ̄^{−1/L}, falls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.margin.newton import Face, passes
from workbench.theory.margin.patterned import PatternedMargins, gates_of
from workbench.theory.numerics.least_distance import least_distance
from workbench.theory.numerics.work import Work

FIRST = 1_000
"""Constraints, by margin, that a step looks at."""
WALLS = 8
"""Times that walls are added to one step."""


@dataclass(frozen=True, eq=False)
class Descent:
    """`face`: the point, its multipliers and the kinks that hold; `walls` (j, 2): pairs watched;
    `weight`: ρ; `moved`: ‖θ_{k+1} − θ_k‖/‖θ_k‖ of the last step, inf before the first."""

    face: Face
    walls: Int[Array, "j 2"]
    weight: float = 1.0
    moved: float = float("inf")


def begin(problem: PatternedMargins, theta: Float[Array, " P"]) -> Descent:
    """The descent from θ, which must separate."""
    none = np.zeros((0, 2), dtype=np.int64)
    gates = gates_of(problem.heights(theta), problem.low)
    face = Face(theta, np.zeros(0, dtype=np.int64), np.zeros(0), gates, none)
    return Descent(face, none)


def descend(problem: PatternedMargins, at: Descent, work: Work | None = None) -> Descent | None:
    """One step, or None where no weight lets the norm fall, or `work` is spent before."""
    work = work or Work()
    theta = at.face.theta
    size = float(np.linalg.norm(theta))
    weight = at.weight
    while weight < 1e8 and not work():
        tried = _step(problem, at, weight, work)
        if tried is not None:
            face, walls = tried
            q_min = float(problem.margins(face.theta, _gates(problem, face)).min())
            if q_min > 0:
                scaled = face.theta * q_min ** (-1.0 / problem.order)
                moved = float(np.linalg.norm(scaled - theta)) / size
                if np.linalg.norm(scaled) < size:
                    face = replace(face, theta=scaled)
                    return Descent(face, walls, max(0.5 * weight, 0.25), moved)
        weight *= 4.0
    return None


def _gates(problem: PatternedMargins, face: Face) -> Float[Array, "n G"]:
    """The gates as the network sets them."""
    return gates_of(problem.heights(face.theta), problem.low)


def _step(
    problem: PatternedMargins, at: Descent, weight: float, work: Work
) -> tuple[Face, Int[Array, "j 2"]] | None:
    """The minimum of the linear model, walls added where it would go through them."""
    theta, held = at.face.theta, at.face.pairs
    heights = problem.heights(theta)
    gates = _sided(problem, at, heights)
    q = problem.margins(theta, gates)
    lowest = np.argsort(q, kind="stable")[:FIRST]
    rows = problem.rows(theta, gates, lowest)
    # Heights and margins of all samples are taken here and at the point reached.
    work.add(passes(len(lowest), 4 * len(heights), len(theta)))
    share = weight / (1.0 + weight)
    levels = 1.0 + q[lowest] * (problem.order * (1.0 - share) - 1.0)
    walls = at.walls
    for _ in range(WALLS):
        wall_rows, wall_levels = _walls(problem, theta, gates, walls, share)
        found = least_distance(
            np.vstack([rows, wall_rows]), np.concatenate([levels, wall_levels]), work=work
        )
        if not found.feasible:
            return None
        moved = share * theta + found.w
        active = np.flatnonzero(found.multipliers[: len(lowest)] > 0)
        multipliers = (1.0 + weight) * found.multipliers[active]
        face = Face(moved, lowest[active], multipliers, gates, held)
        if problem.smooth:
            return face, walls
        crossed = _crossed(problem, face, walls)
        work.add(passes(2 * len(crossed), len(heights), len(theta)))
        if not len(crossed) or work():
            break
        walls = np.vstack([walls, crossed])
    push = (1.0 + weight) * found.multipliers[len(lowest) :]
    return _through(problem, face, walls[: len(push)], push)


def _sided(
    problem: PatternedMargins, at: Descent, heights: Float[Array, "n G"]
) -> Float[Array, "n G"]:
    """The network's own gates; at walls the side the descent is on."""
    gates = gates_of(heights, problem.low)
    sample, gate = at.walls.T
    side = at.face.gates[sample, gate]
    middle = 0.5 * (1.0 + problem.low[gate])
    gates[sample, gate] = np.where(side > middle, 1.0, problem.low[gate])
    return gates


def _walls(
    problem: PatternedMargins,
    theta: Float[Array, " P"],
    gates: Float[Array, "n G"],
    walls: Int[Array, "j 2"],
    share: float,
) -> tuple[Float[Array, "j P"], Float[Array, " j"]]:
    """Rows and levels that keep every wall's height on its side."""
    if not len(walls):
        return np.zeros((0, len(theta))), np.zeros(0)
    none = np.zeros(0, dtype=np.int64)
    heights, rows, _ = problem.kinks(theta, gates, none, np.zeros(0), walls)
    side = np.where(gates[walls[:, 0], walls[:, 1]] == 1.0, 1.0, -1.0)
    levels = -side * (heights - (1.0 - share) * (rows @ theta))
    return side[:, None] * rows, levels


def _crossed(problem: PatternedMargins, face: Face, walls: Int[Array, "j 2"]) -> Int[Array, "k 2"]:
    """Gates of active samples that the step would turn though their margin is concave across them."""
    heights = problem.heights(face.theta)
    samples = np.unique(problem.samples[face.active])
    open_now = face.gates[samples] == 1.0
    wrong = np.where(open_now, -heights[samples], heights[samples]) > 1e-12 * np.abs(heights).max(
        initial=0.0
    )
    wrong &= (problem.low < 1.0)[None, :]
    position, gate = np.nonzero(wrong)
    pairs = np.column_stack([samples[position], gate]).astype(np.int64)
    known = {tuple(pair) for pair in walls.tolist()}
    new = [pair for pair in pairs.tolist() if tuple(pair) not in known]
    if not new:
        return np.zeros((0, 2), dtype=np.int64)
    pairs = np.array(new, dtype=np.int64)
    _, across, jump = problem.kinks(face.theta, face.gates, face.active, face.multipliers, pairs)
    return pairs[np.sum(across * jump, axis=1) < 0]


def _through(
    problem: PatternedMargins, face: Face, walls: Int[Array, "j 2"], push: Float[Array, " j"]
) -> tuple[Face, Int[Array, "h 2"]]:
    """Walls whose push no gate can give are gone through; the others hold, with their gate."""
    if not len(walls):
        return replace(face, pairs=walls), walls
    sample, gate = walls.T
    gates = face.gates.copy()
    _, across, jump = problem.kinks(face.theta, gates, face.active, face.multipliers, walls)
    square = np.maximum(np.sum(across**2, axis=1), 1e-300)
    force = np.sum(across * jump, axis=1) / square
    side = np.where(gates[sample, gate] == 1.0, 1.0, -1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = gates[sample, gate] + side * push / force
    inside = (between >= problem.low[gate]) & (between <= 1.0)
    holds = inside & (push > 0)
    beyond = (push > 0) & ~inside
    gates[sample[holds], gate[holds]] = between[holds]
    other = np.where(side > 0, problem.low[gate], 1.0)
    gates[sample[beyond], gate[beyond]] = other[beyond]
    # Walls that do not push stay watched only while they are touched.
    return replace(face, gates=gates, pairs=walls[holds]), walls[holds | beyond]
