"""The KKT point of (P) near a point of the flow: LL20 Theorem 4.4, by active-set Newton.

The flow reaches a KKT direction only as 1/log t, so its point carries an ε that no run makes small.
From it, or from where descent of (P) leads from it, Newton's method is run on one piece of (P) at a
time; between, one constraint, gate or kink that contradicts the solution is changed: a negative
multiplier leaves, a violated margin enters, a gate whose height has the wrong sign becomes a kink, a
kink whose gate left [leak, 1] is released. What comes out is certified anew and is shown beside the
flow's point, never in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.margin.descent import begin, descend
from workbench.theory.margin.newton import SOLVED, Face, equations, solve_face
from workbench.theory.margin.patterned import PatternedMargins, gates_of
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.margin.tangent_svm import angle_between
from workbench.theory.numerics.least_distance import least_distance
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work

ROUNDS = 30
"""Most pieces of (P) that one attempt solves."""
DESCENT = 400
"""Most descent steps."""
LEAP = 0.1
"""Radians beyond which a KKT point that Newton's method reaches at once is compared with descent's."""
NEAR = 0.5
"""Radians beyond which a KKT point is not called near."""
FIRST = 1_000
"""Constraints, by margin, among which the first active set is sought."""
SLIP = 1e-10
"""Relative size of what counts as rounding in multipliers, margins, gates and heights."""


@dataclass(frozen=True, eq=False)
class Polished:
    """Where θ (P) is a KKT point of (P), with a residual ‖θ − Σλ_i h_i‖/‖θ‖ ≤ 1e−10, margins
    ≥ 1 − 1e−10, λ ≥ 0 and gates of the Clarke subdifferential, `outcome` is converged; else it says why
    not, and the rest is where the search ended. `multipliers` (M), zero off `active`. `kinks`: (sample,
    gate) pairs that sit on a kink. `angle`: radians from the flow's point. `infeasible`: max(0, 1 − q_min).
    `norm2`: ‖θ‖². Iterations are pieces of (P) solved in the last attempt; `steps`: of descent before it."""

    outcome: Outcome
    theta: Float[Array, " P"]
    multipliers: Float[Array, " M"]
    active: Int[Array, " k"]
    kinks: Int[Array, "j 2"]
    infeasible: float
    angle: float
    norm2: float
    steps: int = 0


def polish(problem: PatternedMargins, start: MarginPoint, *, work: Work | None = None) -> Polished:
    """The KKT point near `start`, or the reason why none was found.

    Newton's method is tried at once, then after descent (descent.py) has come ever closer to rest; until
    `work`, which is counted, is spent.

    Raises:
        ValueError: `start` and `problem` differ in the number of constraints.
    """
    if len(start.q) != len(problem.samples):
        raise ValueError(
            f"the point has {len(start.q)} constraints and the problem {len(problem.samples)}"
        )
    work = work or Work()
    found = _settled(problem, start, _first_face(problem, start, work), work)
    descent, steps, rest = begin(problem, start.theta), 0, 1e-2
    direct = found if found.outcome.converged and found.angle <= LEAP else None
    while direct is None and steps < DESCENT and not work():
        steps += 1
        further = descend(problem, descent, work)
        if further is not None:
            descent = further
        if further is None or descent.moved <= rest:
            tried = _settled(problem, start, descent.face, work)
            found = _better(found, replace(tried, steps=steps))
            rest *= 0.2
            if tried.outcome.converged or further is None or rest < 1e-9:
                break
    return found


def _better(a: Polished, b: Polished) -> Polished:
    """The nearer of two KKT points; one before none; else the smaller residual."""
    if a.outcome.converged != b.outcome.converged:
        return a if a.outcome.converged else b
    if a.outcome.converged:
        return a if a.angle <= b.angle else b
    return a if a.outcome.residual <= b.outcome.residual else b


def _settled(problem: PatternedMargins, start: MarginPoint, face: Face, work: Work) -> Polished:
    """Newton's method from a face, changing what contradicts its solution until nothing does."""
    seen: set[bytes] = set()
    end, reason = End.OUT_OF_STEPS, f"the active set did not settle in {ROUNDS} rounds"
    rounds = 0
    while rounds < ROUNDS:
        if work():
            end, reason = End.CANCELLED, ""
            break
        if not len(face.active):
            end, reason = End.STALLED, "no constraint stayed active"
            break
        rounds += 1
        solved = solve_face(problem, face, work)
        face = solved.face
        changed = _changed(problem, face)
        if changed is None:
            end, reason = solved.outcome.end, _stalled(solved.outcome)
            break
        key = _key(changed)
        if key in seen:
            end, reason = End.STALLED, "the active set went round in a circle"
            break
        seen.add(key)
        face = changed
    return _judged(problem, start, face, Outcome(end, rounds, reason=reason))


def _stalled(solved: Outcome) -> str:
    if solved.converged or solved.cancelled:
        return ""
    return f"Newton's method stalled at a relative residual of {solved.residual:.2g}"


def _key(face: Face) -> bytes:
    """The piece of (P) a face lies on."""
    fixed = face.gates.copy()
    fixed[face.pairs[:, 0], face.pairs[:, 1]] = 2.0
    return np.sort(face.active).tobytes() + fixed.tobytes()


def _first_face(problem: PatternedMargins, start: MarginPoint, work: Work) -> Face:
    """Active set and multipliers of (P) with its constraints made linear at the start."""
    lowest = np.sort(np.argsort(start.q, kind="stable")[:FIRST])
    levels = 1.0 + (start.order - 1.0) * start.q[lowest]
    linear = least_distance(start.rows[lowest], levels, work=work)
    active = linear.support if linear.feasible else np.flatnonzero(start.q[lowest] <= 1.0 + SLIP)
    gates = gates_of(problem.heights(start.theta), problem.low)
    return Face(
        start.theta,
        lowest[active],
        linear.multipliers[active],
        gates,
        np.zeros((0, 2), dtype=np.int64),
    )


def _changed(problem: PatternedMargins, face: Face) -> Face | None:
    """The face with its worst contradictions changed, one of each kind; None where there is none."""
    changed = _with_gates(problem, _with_kinks(face, problem.low))
    changed = _with_constraints(problem, changed)
    return None if changed is face else changed


def _with_constraints(problem: PatternedMargins, face: Face) -> Face:
    """Drop the most negative multiplier; if none is, add the most violated margin."""
    weakest = int(np.argmin(face.multipliers))
    if face.multipliers[weakest] < -SLIP * np.abs(face.multipliers).max():
        return _without(problem, face, weakest)
    q = problem.margins(face.theta, _true_gates(problem, face))
    q[face.active] = np.inf
    worst = int(np.argmin(q))
    if q[worst] >= 1.0 - SLIP:
        return face
    # The newcomer's gates are those it has now.
    sample = problem.samples[worst]
    gates = face.gates.copy()
    if sample not in problem.samples[face.active]:
        gates[sample] = _true_gates(problem, face)[sample]
    return replace(
        face,
        active=np.append(face.active, worst),
        multipliers=np.append(face.multipliers, 0.0),
        gates=gates,
    )


def _without(problem: PatternedMargins, face: Face, position: int) -> Face:
    """Drop an active constraint, and the kinks of its sample if no other constraint has them."""
    active = np.delete(face.active, position)
    kept = np.isin(face.pairs[:, 0], problem.samples[active])
    gates = face.gates.copy()
    for sample, gate in face.pairs[~kept]:
        gates[sample, gate] = problem.low[gate]
    multipliers = np.delete(face.multipliers, position)
    return replace(
        face, active=active, multipliers=multipliers, gates=gates, pairs=face.pairs[kept]
    )


def _with_kinks(face: Face, low: Float[Array, " G"]) -> Face:
    """Release the kink whose gate is farthest outside [leak, 1], to that side."""
    if not len(face.pairs):
        return face
    sample, gate = face.pairs.T
    value = face.gates[sample, gate]
    outside = np.maximum(value - 1.0, low[gate] - value)
    worst = int(np.argmax(outside))
    if outside[worst] <= SLIP:
        return face
    gates = face.gates.copy()
    gates[sample[worst], gate[worst]] = 1.0 if value[worst] > 1.0 else low[gate[worst]]
    return replace(face, gates=gates, pairs=np.delete(face.pairs, worst, axis=0))


def _with_gates(problem: PatternedMargins, face: Face) -> Face:
    """Put the gate whose height has the most wrong sign on a kink, or to the other side if ∂q is smooth."""
    heights = problem.heights(face.theta)
    if not heights.size:
        return face
    used = np.unique(problem.samples[face.active])
    wrong = np.where(face.gates[used] == 1.0, -heights[used], heights[used])
    wrong[:, problem.low == 1.0] = 0.0
    if len(face.pairs):
        wrong[np.searchsorted(used, face.pairs[:, 0]), face.pairs[:, 1]] = 0.0
    worst = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    if wrong[worst] <= SLIP * np.abs(heights).max():
        return face
    sample, gate = int(used[worst[0]]), int(worst[1])
    gates = face.gates.copy()
    if problem.smooth:
        bad = wrong > SLIP * np.abs(heights).max()
        gates[used] = np.where(bad, gates_of(heights[used], problem.low), gates[used])
        return replace(face, gates=gates)
    pair = np.array([[sample, gate]])
    _, across, jump = problem.kinks(face.theta, face.gates, face.active, face.multipliers, pair)
    if float(np.sum(across * jump)) < 0:
        return replace(face, pairs=np.vstack([face.pairs, pair]))
    # A margin that is convex across the kink is pushed off it on both sides: no flow stays there.
    gates[sample, gate] = 1.0 if gates[sample, gate] != 1.0 else problem.low[gate]
    return replace(face, gates=gates)


def _true_gates(problem: PatternedMargins, face: Face) -> Float[Array, "n G"]:
    """The gates as the network sets them at the face's θ."""
    return gates_of(problem.heights(face.theta), problem.low)


def _judged(problem: PatternedMargins, start: MarginPoint, face: Face, ended: Outcome) -> Polished:
    """The certificate, computed anew from the network itself."""
    q = problem.margins(face.theta, _true_gates(problem, face))
    infeasible = max(0.0, 1.0 - float(q.min()))
    kept = np.where(face.multipliers > 0, face.multipliers, 0.0)
    residual = equations(problem, replace(face, multipliers=kept)).residual
    angle = angle_between(face.theta, start.theta)
    ended = replace(ended, residual=residual)
    if ended.converged and max(residual, infeasible) > SOLVED:
        why = (
            f"the residual {residual:.2g} or the infeasibility {infeasible:.2g} exceeds {SOLVED:g}"
        )
        ended = replace(ended, end=End.NOT_ACCEPTED, reason=why)
    if ended.converged and angle > NEAR:
        why = f"the KKT point that was reached lies {angle:.2g} rad from the flow's point"
        ended = replace(ended, end=End.NOT_ACCEPTED, reason=why)
    multipliers = np.zeros(len(start.q))
    multipliers[face.active] = kept
    return Polished(
        outcome=ended,
        theta=face.theta,
        multipliers=multipliers,
        active=np.sort(face.active),
        kinks=face.pairs,
        infeasible=infeasible,
        angle=angle,
        norm2=float(face.theta @ face.theta),
    )
