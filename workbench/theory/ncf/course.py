"""The course of a training from its start alone: who is dormant climbs, who has left minimises.

At first all neurons are dormant (`dormant.py`) and climb N of the labels. Once their outputs are a stated
share of the residual the largest is active: active neurons follow the gradient flow of the risk among
themselves (`active_flow.py`), and those that are dormant yet climb N of the residual which that leaves, from
the norms that they have by then (KH24 Theorem 5.5, again and again). What is left out is that dormant neurons
change the residual: by at most `share`, all together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.theory.ncf.active_flow import (
    AT_REST,
    EVENTS,
    ActiveFlow,
    ActiveProblem,
    Linear,
    moved_by,
    step_of,
)
from workbench.theory.ncf.active_gates import Lines
from workbench.theory.ncf.dormant import Climbed, Climbing, Dormant
from workbench.theory.ncf.neuron import neuron_outputs
from workbench.theory.numerics.work import Work

STEPS = 50_000
"""Most steps of active neurons."""
GROWING = 1e-6
"""Rate over the largest above which active neurons at rest leave it by themselves."""
BETWEEN = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Parts of a step that are kept: after a long one most happens at its beginning."""


class CourseEnd(StrEnum):
    """Why a course ends, as a plain sentence without its full stop."""

    FITTED = "the samples are fitted"
    NOTHING_CLIMBS = "no neuron climbs any more"
    TIME = "the time that was asked for is over"
    OUT_OF_STEPS = "the allowed operations ran out"
    STALLED = "the active neurons step to and fro on a hyperplane of the data"
    CANCELLED = "cancelled"


@dataclass(frozen=True, eq=False)
class Left:
    """Neuron `index` left at `time` of the summed risk's flow, with its unit `direction` (p) then."""

    index: int
    time: float
    direction: Float[Array, " p"]


@dataclass(frozen=True, eq=False)
class Course:
    """T moments of the flow of the summed risk: `time`, `log_risk` (T), natural, `outputs` (T, n) and
    `log_norm` (T, H), all of dormant and active neurons together; −∞ of neurons that are 0. `left`: in the
    order of time."""

    time: Float[Array, " T"]
    log_risk: Float[Array, " T"]
    log_norm: Float[Array, "T H"]
    outputs: Float[Array, "T n"]
    left: tuple[Left, ...]
    end: CourseEnd


@dataclass
class _Traced:
    """What is kept on the way, and who is where."""

    climbing: Climbing
    dormant: Dormant
    asleep: Int[Array, " k"]
    awake: Int[Array, " a"]
    norms: Float[Array, " H"]
    flow: ActiveFlow | None = None
    now: float = 0.0
    time: list[float] = field(default_factory=list)
    log_risk: list[float] = field(default_factory=list)
    log_norm: list[Array] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def keep(self, weights: Float[Array, "a p"], time: float, dormant: Dormant) -> None:
        """A moment with active neurons of some weights."""
        problem = self.climbing.problem
        out = np.zeros(len(problem.y)) if self.flow is None else self.flow.outputs(weights)
        asleep = np.exp(2.0 * dormant.log_norm) * dormant.signs
        out = out + asleep @ neuron_outputs(
            dormant.direction, problem.x, problem.kind, problem.leak
        )
        z = problem.y - out
        row = self.norms.copy()
        row[self.asleep] = dormant.log_norm
        with np.errstate(divide="ignore"):
            row[self.awake] = np.log(np.linalg.norm(weights, axis=1))
            self.log_risk.append(float(np.log(0.5 * (z @ z))))
        self.time.append(time)
        self.log_norm.append(row)
        self.outputs.append(out)

    def wake(self, row: int, signs: Float[Array, " H"]) -> None:
        """The dormant neuron of a row is active from now on."""
        index = int(self.asleep[row])
        direction = self.dormant.direction[row]
        weights = float(np.exp(self.dormant.log_norm[row])) * direction
        before = np.zeros((0, len(direction))) if self.flow is None else self.flow.weights
        self.left.append(Left(index, self.now, direction))
        self.awake = np.append(self.awake, index)
        self.asleep = np.delete(self.asleep, row)
        self.dormant = self.dormant.without(row)
        problem = self.climbing.problem
        self.flow = ActiveFlow(
            problem, signs[self.awake], np.vstack([before, weights]), Lines.through(problem.x)
        )

    def found(self, end: CourseEnd) -> Course:
        """All that was kept."""
        return Course(
            np.array(self.time),
            np.array(self.log_risk),
            np.array(self.log_norm),
            np.array(self.outputs),
            tuple(self.left),
            end,
        )


def course(
    problem: ActiveProblem,
    weights: Float[Array, "H p"],
    signs: Float[Array, " H"],
    *,
    share: float,
    step: float = 0.0,
    until: float = np.inf,
    fitted: float,
    work: Work | None = None,
    told: Callable[[float, float], None] | None = None,
) -> Course:
    """Follow neurons of `weights` and output signs s (1 where that weight is trained) from their start.

    `share`: Σ‖H(X; w)‖/‖z‖ of dormant neurons at which the largest leaves. `step`: η of the summed risk where
    a run takes steps, 0: the flow. It ends at the time `until`, at a risk of `fitted` times that at θ = 0,
    where nothing climbs, or where `work` is spent. `told`: (time, risk) on the way.

    Raises:
        ValueError: share is not positive, or there is no neuron.
    """
    if not share > 0.0 or not len(weights):
        raise ValueError("a course needs a share above 0 and at least one neuron")
    work = work or Work()
    norm = np.linalg.norm(weights, axis=1)
    with np.errstate(divide="ignore"):
        norms = np.log(norm)
    asleep = np.flatnonzero(norm > 0.0)
    at = _Traced(
        Climbing(problem, share, step),
        Dormant(weights[asleep] / norm[asleep, None], norms[asleep], signs[asleep]),
        asleep,
        np.zeros(0, dtype=np.int64),
        norms,
    )
    nothing = np.zeros((0, weights.shape[1]))
    at.keep(nothing, 0.0, at.dormant)
    end = _at_zero(at, signs, until, work)
    if end is None:
        assert at.flow is not None
        at.keep(at.flow.weights, at.now, at.dormant)
        end = _active(at, signs, until, fitted, work, told)
    elif at.now > 0.0:
        at.keep(nothing, at.now, at.dormant)
    return at.found(end)


def _at_zero(at: _Traced, signs: Float[Array, " H"], until: float, work: Work) -> CourseEnd | None:
    """The climb while nobody is active, to the first that is; the end, where nobody ever is."""
    y = at.climbing.problem.y
    nothing = np.zeros((0, at.dormant.direction.shape[1]))
    climb = at.climbing.climb(
        at.dormant,
        lambda _: y,
        until,
        at_rest=True,
        work=work,
        passed=lambda time, dormant: at.keep(nothing, time, dormant),
    )
    at.dormant, at.now = climb.dormant, min(climb.time, until)
    if climb.end is Climbed.LEFT:
        at.wake(climb.row, signs)
        return None
    if climb.end is Climbed.CUT:
        return _cut(work)
    return CourseEnd.NOTHING_CLIMBS if climb.end is Climbed.NOTHING_CLIMBS else CourseEnd.TIME


def _cut(work: Work) -> CourseEnd:
    return CourseEnd.OUT_OF_STEPS if work.spent else CourseEnd.CANCELLED


def _active(
    at: _Traced,
    signs: Float[Array, " H"],
    until: float,
    fitted: float,
    work: Work,
    told: Callable[[float, float], None] | None,
) -> CourseEnd:
    """From the first that is active to the end."""
    low = np.log(fitted * at.climbing.problem.risk_at_zero)
    peak, length, events = 0.0, np.inf, 0
    for _ in range(STEPS):
        flow = at.flow
        assert flow is not None
        if at.log_risk[-1] <= low:
            return CourseEnd.FITTED
        if at.now >= until:
            return CourseEnd.TIME
        if work():
            return _cut(work)
        if events > EVENTS:
            return CourseEnd.STALLED
        linear = Linear.at(flow)
        work.add(10.0 * float(len(linear.rate)) ** 3 + flow.gates.size * len(linear.rate))
        peak = max(peak, linear.size)
        grows = linear.rate.max() > GROWING * np.abs(linear.rate).max()
        still = 1e-5 * AT_REST if grows else AT_REST
        at_rest, before, start = linear.size <= still * peak, flow.weights, at.now
        if at_rest:
            taken, met, after = until - at.now, None, before
        else:
            taken, length, met = step_of(flow, linear, min(length, until - at.now))
            after = flow.weights
            flow.weights = before
        left, done = _with_dormant(at, linear, taken, at_rest, work)
        if done is not None:
            return done
        if left >= 0:
            if not at_rest:
                flow.weights = moved_by(flow, linear, at.now - start)[0]
            at.wake(left, signs)
            assert at.flow is not None
            at.keep(at.flow.weights, at.now, at.dormant)
            length, events = np.inf, 0
            continue
        flow.weights = after
        events = events + 1 if met is not None and taken == 0.0 else 0
        if met is not None:
            flow.arrive(*met)
        if flow.leave():
            events += 1
        at.keep(flow.weights, at.now, at.dormant)
        if told is not None:
            told(at.now, float(np.exp(at.log_risk[-1])))
    return CourseEnd.OUT_OF_STEPS


def _with_dormant(
    at: _Traced, linear: Linear, taken: float, at_rest: bool, work: Work
) -> tuple[int, CourseEnd | None]:
    """The dormant ones along a step of the active ones, whose weights stand at its beginning: who has
    left (a row, −1 for nobody) and the end, where it is that."""
    flow = at.flow
    assert flow is not None
    rest = flow.residual(flow.weights)

    def z_of(time: float) -> Float[Array, " n"]:
        if at_rest or time <= 0.0:
            return rest
        return flow.residual(moved_by(flow, linear, time)[0])

    start = at.now
    for part in (1.0,) if at_rest or taken == 0.0 else BETWEEN:
        begun = at.now - start

        def z_from(time: float, begun: float = begun) -> Float[Array, " n"]:
            return z_of(begun + time)

        def passed(time: float, dormant: Dormant) -> None:
            at.keep(flow.weights, start + time, dormant)

        climb = at.climbing.climb(
            at.dormant,
            z_from,
            part * taken - begun,
            at_rest=at_rest,
            work=work,
            passed=passed if at_rest else None,
        )
        at.dormant, at.now = climb.dormant, start + begun + min(climb.time, 1e300)
        if climb.end is Climbed.LEFT:
            return climb.row, None
        if climb.end is Climbed.CUT:
            return -1, _cut(work)
        if climb.end is Climbed.NOTHING_CLIMBS and at_rest:
            return -1, CourseEnd.NOTHING_CLIMBS
        if part < 1.0:
            at.keep(moved_by(flow, linear, at.now - start)[0], at.now, at.dormant)
    return -1, None
