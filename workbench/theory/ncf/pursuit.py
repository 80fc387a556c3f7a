"""Neuron pursuit: from saddle to saddle without the waiting (Kumar, Haupt, arXiv 2509.12154; THEORY §7).

At a stationary point of the square loss small weights grow fastest along the best KKT point of the
constrained NCF of the residual (KH24 Theorem 5.5). There a new neuron of norm δ is put, all neurons flow to
the next stationary point, and so on, until the residual is small or no direction correlates with it. These
are the saddles that gradient flow from tiny weights visits, as far as δ is small enough and the KKT point
the best: a search says of itself whether it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from workbench.arrays import Array, Float
from workbench.theory.ncf.active_flow import ActiveProblem, Rest, flow_to_rest
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.kkt_cells import CAP
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.result import KktPoint, KktSet
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work

DELTA = 1e-6
"""Norm δ of an added neuron."""
WITHIN = 0.01
"""Share of the best N by which others may be below it, to be added with it."""
FITTED = 1e-6
"""A risk below this share of that at θ = 0 is fitted."""
CLIMBS = 1e-6
"""Least N over Σ|z_i|‖x_i‖^k that climbs."""
NOTHING = 1e-90
"""Share of the largest residual below which one is 0."""
STARTS = 1024
"""Ascents for KKT points where they are not enumerated."""


class PursuitEnd(StrEnum):
    """Why a pursuit ended, as a plain sentence without its full stop."""

    FITTED = "the samples are fitted"
    NOTHING_CLIMBS = "no new neuron climbs: no direction correlates with the residual"
    NOTHING_FOUND = "no new neuron was found that climbs, by a search that is not complete"
    NO_MORE = "the network has no more neurons of a sign that climbs"
    NOT_AT_REST = "the flow did not come to rest"
    OUT_OF_STEPS = "the allowed steps ran out"
    CANCELLED = "cancelled"


@dataclass(frozen=True, eq=False)
class Added:
    """A neuron that is added at a saddle: its unit `direction` (p), `sign` s, and N of s times the residual,
    residual and kind of the KKT point (`theory/ncf/result.py`)."""

    direction: Float[Array, " p"]
    sign: float
    value: float
    residual: float
    kind: str


@dataclass(frozen=True, eq=False)
class Stage:
    """A stationary point and what leaves it.

    `weights` (k, p) with `signs` (k), `outputs` (n), `risk` summed. `slope`, `bend`, `held`, `outcome`: of
    the flow that led here (`active_flow.Rest`); `time`, `log_risk` (T): its way, from 0. To the origin there
    is none. `faded`: neurons that had shrunk below δ and were taken out. `highest`: the largest N of a new
    neuron, `scale` what bounds it; `complete`: whether no direction has a larger one, `reason` says why;
    `added`: who leaves, none at the last stage.
    """

    weights: Float[Array, "k p"]
    signs: Float[Array, " k"]
    outputs: Float[Array, " n"]
    risk: float
    slope: float
    bend: float
    held: int
    outcome: Outcome
    time: Float[Array, " T"]
    log_risk: Float[Array, " T"]
    faded: int
    highest: float
    scale: float
    complete: bool
    method: str
    reason: str
    added: tuple[Added, ...]


@dataclass(frozen=True, eq=False)
class Pursuit:
    """The stages in their order, the origin first, and why there are no more."""

    stages: tuple[Stage, ...]
    end: PursuitEnd
    delta: float

    @property
    def complete(self) -> bool:
        """Whether every search was, so that at every stage the neuron added is the best there is."""
        return all(stage.complete for stage in self.stages)


def pursuit(
    problem: ActiveProblem,
    available: Mapping[float, int],
    *,
    delta: float = DELTA,
    within: float = WITHIN,
    fitted: float = FITTED,
    cap: int = CAP,
    starts: int = STARTS,
    work: Work | None = None,
    told: Callable[[Stage], None] | None = None,
    moved: Callable[[float, float], None] | None = None,
) -> Pursuit:
    """Pursue from θ = 0.

    `available`: how many neurons the network has, by their output sign s (1 where it is trained). `cap`,
    `starts`: of the search for KKT points. `told`: every stage once it is known; `moved`: (time, risk) on the
    way to one. `work` bounds the flows; once cancelled, stages so far come back.

    Raises:
        ValueError: delta is not positive, no neuron is available, or the data is unusable.
    """
    if not delta > 0.0 or not any(count > 0 for count in available.values()):
        raise ValueError("pursuit needs a delta above 0 and at least one neuron")
    work = work or Work()
    p = problem.kind.width(problem.x.shape[1])
    weights, signs = np.zeros((0, p)), np.zeros(0)
    rest, faded, stages = _origin(problem, p), 0, []
    while True:
        found, reached = _look(problem, rest, signs, available, fitted, cap, starts, work)
        end, added = _who(found, reached, signs, available, within)
        if not rest.outcome.converged:
            end, added = _why(rest), ()
        stages.append(_stage(rest, signs, faded, found, added))
        if told is not None:
            told(stages[-1])
        if end is not None:
            return Pursuit(tuple(stages), end, delta)
        weights = np.vstack([rest.weights, *(delta * one.direction[None] for one in added)])
        signs = np.append(signs, [one.sign for one in added])
        rest = flow_to_rest(problem, weights, signs, work=work, told=moved)
        keep = np.linalg.norm(rest.weights, axis=1) > delta
        faded, signs = int((~keep).sum()), signs[keep]
        rest = _without(rest, keep)


def _origin(problem: ActiveProblem, p: int) -> Rest:
    """θ = 0, where every flow rests."""
    nothing = np.zeros(0)
    return Rest(
        np.zeros((0, p)),
        np.zeros(len(problem.y)),
        problem.risk_at_zero,
        0.0,
        0.0,
        nothing,
        nothing,
        0,
        Outcome(End.CONVERGED, 0, 0.0),
    )


def _without(rest: Rest, keep: Array) -> Rest:
    """The rest with some neurons only."""
    return Rest(rest.weights[keep], *(getattr(rest, name) for name in _AFTER_WEIGHTS))


_AFTER_WEIGHTS = ("outputs", "risk", "slope", "bend", "time", "log_risk", "held", "outcome")


def _why(rest: Rest) -> PursuitEnd:
    """Why a flow that is not at rest ended."""
    if rest.outcome.cancelled:
        return PursuitEnd.CANCELLED
    if rest.outcome.end is End.OUT_OF_STEPS:
        return PursuitEnd.OUT_OF_STEPS
    return PursuitEnd.NOT_AT_REST


@dataclass(frozen=True, eq=False)
class _Search:
    """KKT points of the residual by sign, the best first: (N, sign, point); and what bounds N."""

    points: list[tuple[float, float, KktPoint]]
    sets: tuple[KktSet, ...]
    scale: float


def _look(
    problem: ActiveProblem,
    rest: Rest,
    signs: Float[Array, " k"],
    available: Mapping[float, int],
    fitted: float,
    cap: int,
    starts: int,
    work: Work,
) -> tuple[_Search, PursuitEnd | None]:
    """The KKT points of new neurons at a stationary point; none where the samples are fitted."""
    if rest.risk <= fitted * problem.risk_at_zero:
        return _Search([], (), 1.0), PursuitEnd.FITTED
    if not rest.outcome.converged:
        return _Search([], (), 1.0), _why(rest)
    z = problem.y - rest.outputs
    # Searches refuse sizes whose squares are no floats.
    z = np.where(np.abs(z) >= NOTHING * np.abs(z).max(), z, 0.0)
    points: list[tuple[float, float, KktPoint]] = []
    sets, scale = [], 1.0
    for sign in available:
        ncf = Ncf(problem.x, sign * z, problem.kind, problem.leak)
        found = kkt_points(ncf, cap=cap, starts=starts, cancel=work)
        scale = ncf.scale
        sets.append(found)
        points += [(point.value, sign, point) for point in found.points]
        if work():
            end = PursuitEnd.OUT_OF_STEPS if work.spent else PursuitEnd.CANCELLED
            return _Search(points, tuple(sets), scale), end
    points.sort(key=lambda one: -one[0])
    return _Search(points, tuple(sets), scale), None


def _who(
    found: _Search,
    reached: PursuitEnd | None,
    signs: Float[Array, " k"],
    available: Mapping[float, int],
    within: float,
) -> tuple[PursuitEnd | None, tuple[Added, ...]]:
    """Who is added, or why nobody is."""
    if reached is not None:
        return reached, ()
    climbing = [one for one in found.points if one[0] > CLIMBS * found.scale]
    if not climbing:
        complete = all(one.complete for one in found.sets)
        return PursuitEnd.NOTHING_CLIMBS if complete else PursuitEnd.NOTHING_FOUND, ()
    left = {sign: count - int((signs == sign).sum()) for sign, count in available.items()}
    open_ = [one for one in climbing if left[one[1]] > 0]
    if not open_:
        return PursuitEnd.NO_MORE, ()
    best = open_[0]
    added = []
    for value, sign, point in open_:
        beside = point.kind in ("max", "flat") and value >= (1.0 - within) * best[0]
        if (point is best[2] or beside) and left[sign] > 0:
            left[sign] -= 1
            added.append(Added(point.direction, sign, value, point.residual, point.kind))
    return None, tuple(added)


def _stage(
    rest: Rest,
    signs: Float[Array, " k"],
    faded: int,
    found: _Search,
    added: tuple[Added, ...],
) -> Stage:
    """A stage of what is known of it."""
    exact = all(one.method == "exact" for one in found.sets)
    return Stage(
        weights=rest.weights,
        signs=signs,
        outputs=rest.outputs,
        risk=rest.risk,
        slope=rest.slope,
        bend=rest.bend,
        held=rest.held,
        outcome=rest.outcome,
        time=rest.time,
        log_risk=rest.log_risk,
        faded=faded,
        highest=found.points[0][0] if found.points else 0.0,
        scale=found.scale,
        complete=all(one.complete for one in found.sets),
        method="exact" if exact else "multistart",
        reason="; ".join(dict.fromkeys(one.reason for one in found.sets)),
        added=added,
    )
