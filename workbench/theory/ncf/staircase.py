"""The whole staircase of a training from its start alone: order, level and time of every drop (THEORY §7).

The *course* (`course.py`) is followed twice from the same start: neurons leave once the outputs of all
dormant ones are `FINE` of the residual, and `COARSE`, four times that. What is told is the fine one's; how
far it may be off is what the choice of the threshold makes of it. All that a course leaves out is what
dormant neurons do to the residual, at most that share: its error falls with the share, and where it falls
like √share or faster, the fine course is off by no more than the two are apart. So the interval of a time
reaches beyond both by as much as they are apart, and by `RESOLUTION` of the time for the integration itself.

Where the courses differ in who leads a drop, or one has no such drop, its order is not decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.course import Course, CourseEnd, course
from workbench.theory.ncf.drops import Drop, crossing, drops
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.leaders import agree, leaders
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.paths import nearest_member
from workbench.theory.numerics.work import Work

FINE, COARSE = 0.0125, 0.05
"""Σ‖H(X; w)‖/‖z‖ of dormant neurons at which the largest leaves."""
RESOLUTION = 1e-3
"""Relative error of the times of a course."""
FITTED = 1e-3
"""A risk below this share of that at θ = 0 is fitted."""
STARTS = 256
"""Ascents for KKT points where they are not enumerated."""


@dataclass(frozen=True, eq=False)
class Towards:
    """The KKT point of the residual's NCF that a leader goes to: its unit `direction` (p), `value` N there,
    `off`: degrees between the two when it leaves; `complete`: whether all points are known."""

    direction: Float[Array, " p"]
    value: float
    off: float
    complete: bool


@dataclass(frozen=True, eq=False)
class Stair:
    """A drop that is predicted.

    The risk (summed) falls from `before` to `after` and is halfway down at `time`, between `low` and `high`,
    of the summed risk's flow. `leaves`: the neurons that make it, the leader first, none where those that
    are active already do. `left`: when the leader is dormant no more, NaN without one;
    `towards`: where to. `undecided`: why its order is not decided, empty where it is.
    """

    before: float
    after: float
    time: float
    low: float
    high: float
    leaves: tuple[int, ...]
    left: float
    towards: Towards | None
    undecided: str

    @property
    def middle(self) -> float:
        """The risk halfway down."""
        return 0.5 * (self.before + self.after)


@dataclass(frozen=True, eq=False)
class Staircase:
    """The drops in their order, and the curve that is predicted: `time`, `log_risk` (T), natural, of the
    summed risk. `end`: why there are no more."""

    stairs: tuple[Stair, ...]
    time: Float[Array, " T"]
    log_risk: Float[Array, " T"]
    end: CourseEnd

    @property
    def decided(self) -> bool:
        """Whether the order of all drops is decided, and their end."""
        cut = self.end in (CourseEnd.OUT_OF_STEPS, CourseEnd.STALLED, CourseEnd.CANCELLED)
        return not cut and not any(stair.undecided for stair in self.stairs)


def staircase(
    problem: ActiveProblem,
    weights: Float[Array, "H p"],
    signs: Float[Array, " H"],
    *,
    step: float = 0.0,
    until: float = np.inf,
    fitted: float = FITTED,
    work: Work | None = None,
    told: Callable[[float, float], None] | None = None,
) -> Staircase:
    """Predict from weights (H, p) of neurons with output signs (H), 1 where that weight is trained.

    `step`: η of the summed risk where a run takes steps, 0: the flow. `until`: the time to follow. `work`:
    once spent, it ends there, and says so. `told`: (time, risk) on the way.

    Raises:
        ValueError: there is no neuron, or the data is unusable.
    """
    work = work or Work()
    fine, coarse = (
        course(
            problem,
            weights,
            signs,
            share=share,
            step=step,
            until=until,
            fitted=fitted,
            work=work,
            told=told,
        )
        for share in (FINE, COARSE)
    )
    found = drops(fine.time, np.exp(fine.log_risk))
    middles = [drop.middle for drop in found]
    lead = leaders(fine.time, fine.log_risk, fine.log_norm, middles)
    other = leaders(coarse.time, coarse.log_risk, coarse.log_norm, middles)
    stairs = []
    for drop, first, second in zip(found, lead, other, strict=True):
        time, low, high = _when(drop, fine, coarse, step)
        stairs.append(
            Stair(
                drop.before,
                drop.after,
                time,
                low,
                high,
                first,
                *_leader(problem, fine, drop, first, signs, work),
                _undecided(coarse, high, first, second),
            )
        )
    return Staircase(tuple(stairs), fine.time, fine.log_risk, fine.end)


def _when(drop: Drop, fine: Course, coarse: Course, step: float) -> tuple[float, float, float]:
    """(time, low, high) of being halfway down."""
    time = crossing(fine.time, fine.log_risk, drop.middle)
    other = crossing(coarse.time, coarse.log_risk, drop.middle)
    if np.isnan(other):
        return time, drop.begins, np.inf
    beyond = abs(time - other) + RESOLUTION * time + step
    return time, max(0.0, min(time, other) - beyond), max(time, other) + beyond


def _undecided(coarse: Course, high: float, first: tuple[int, ...], second: tuple[int, ...]) -> str:
    """Why a drop's order is not decided, as a clause."""
    if np.isinf(high):
        return f"by the coarser threshold the risk does not come so far: {coarse.end}"
    if not agree(first, second):
        by = f"neuron {second[0]} leads" if second else "no new neuron makes it"
        return f"a tie: by the coarser threshold {by}"
    return ""


def _leader(
    problem: ActiveProblem,
    fine: Course,
    drop: Drop,
    leaves: tuple[int, ...],
    signs: Float[Array, " H"],
    work: Work,
) -> tuple[float, Towards | None]:
    """When a drop's leader leaves, and the KKT point of the plateau's residual that it goes to: the nearest
    with N > 0."""
    left = {one.index: one for one in fine.left}.get(leaves[0]) if leaves else None
    if left is None:
        return float("nan"), None
    plateau = int(np.searchsorted(fine.time, drop.begins, side="right")) - 1
    z = signs[left.index] * (problem.y - fine.outputs[plateau])
    found = kkt_points(Ncf(problem.x, z, problem.kind, problem.leak), starts=STARTS, cancel=work)
    climbing = [point for point in found.points if point.value > 0.0]
    if not climbing:
        return left.time, None
    near = [nearest_member(point, left.direction) for point in climbing]
    off = [float(np.degrees(np.arccos(np.clip(w @ left.direction, -1.0, 1.0)))) for w in near]
    best = int(np.argmin(off))
    return left.time, Towards(near[best], climbing[best].value, off[best], found.complete)
