"""Which small neurons leave, along which KKT direction, and when (KH24 §5.3; theory/ncf/frozen_residual.py).

A neuron has left when its norm reaches `radius`: there its part in the output changes the risk by a
stated share, r² max N = share · 𝓛 (summed), to first order. Until then z may be taken to stand still, but
for what the large neurons still move; forecast_interval.py says how far both can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.inspector.correlation import Correlation
from workbench.inspector.forecast_interval import CERTAIN, Intervals, degrees_off, intervals_of
from workbench.inspector.groups import Groups
from workbench.inspector.state import InspectedState
from workbench.inspector.whole_forecast import WholeForecast, whole_forecast
from workbench.theory.ncf.frozen_residual import frozen_paths
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.paths import nearest_member
from workbench.theory.ncf.result import KktPoint
from workbench.theory.numerics.work import Work

SHARE = 0.01
"""The share of the risk that a neuron's part changes where it counts as having left."""
FOLLOWED = 20_000
"""Most neurons × samples that are followed by integration; more neurons get a rate only."""


@dataclass(frozen=True)
class NeuronForecast:
    """One neuron. None: not known, or not a small neuron.

    `target`: index into the KKT points. `cosine`: with the target, now. `rate`: d log‖w‖/dt now, in the
    run's flow time. `escape_time`: flow time from now until ‖w‖ = radius, ∞ if never, on the residual as
    the large neurons move it; `escape_steps` = escape_time over the learning rate. `escape_angle`: of u
    then, in radians, for inputs in the plane; it is not the target's where a neuron leaves before it has
    arrived.

    Of the neurons nearest to leaving also: the interval `…_low` to `…_high` of both; `angle_bound`: most
    degrees that u is off the target's then; `confidence`: that it is the first to leave. All for the
    case that no other neuron leaves before.
    """

    index: int
    norm: float
    small: bool
    target: int | None = None
    cosine: float | None = None
    rate: float | None = None
    escape_time: float | None = None
    escape_steps: float | None = None
    escape_angle: float | None = None
    escape_time_low: float | None = None
    escape_time_high: float | None = None
    escape_steps_low: float | None = None
    escape_steps_high: float | None = None
    angle_bound: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, eq=False)
class EscapeForecast:
    """All neurons, made at `step`, `time`. `first`: the neuron that leaves first, if any does.

    `runner_up`: the likeliest other to be it, if one may. `last_step`: of the run, None if not known.
    `whole`: of a network that does not separate into neurons, near the origin, in place of theirs.
    """

    step: int
    time: float
    radius: float | None
    share: float
    neurons: tuple[NeuronForecast, ...]
    points: tuple[KktPoint, ...]
    first: int | None
    followed: int
    runner_up: int | None = None
    last_step: int | None = None
    whole: WholeForecast | None = None

    @property
    def names(self) -> tuple[int, ...]:
        """The neuron that is said to leave first, or the two between which that is undecided."""
        if self.first is None:
            return ()
        confidence = self.neurons[self.first].confidence
        if self.runner_up is None or confidence is None or confidence >= CERTAIN:
            return (self.first,)
        return (self.first, self.runner_up)


def radius_of(
    state: InspectedState, correlation: Correlation, share: float = SHARE
) -> float | None:
    """r = (share · 𝓛 / max N)^{1/2}, 𝓛 summed; None where no direction grows."""
    if correlation.joint or not correlation.highest > 1e-12 * correlation.scale:
        return None
    summed = state.log_risk - np.log(state.flow_factor)
    return float(np.exp(0.5 * (np.log(share) + summed - np.log(correlation.highest))))


def forecast_of(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation | None,
    *,
    share: float = SHARE,
    most: int = FOLLOWED,
    work: Work | None = None,
) -> EscapeForecast:
    """The forecast for the small neurons; large ones are listed with their norm.

    `most`: neurons × samples that are followed by integration. Where `work` is spent before they are at
    their end on the residual at rest, nobody is named: the one that leaves first may be among those that
    are not known. Where it is spent later, the intervals are as wide as that leaves them.
    """
    norm = state.neuron_norm
    small = np.zeros(len(norm), dtype=bool)
    small[groups.small] = True
    blank = tuple(NeuronForecast(k, float(norm[k]), bool(small[k])) for k in range(len(norm)))
    usable = correlation is not None and not correlation.joint and len(groups.small) > 0
    if correlation is None or not usable:
        points = () if correlation is None else correlation.points
        whole = None
        if correlation is not None and correlation.joint and groups.origin:
            whole = whole_forecast(state, correlation, share=share, work=work)
        return EscapeForecast(
            state.step,
            state.time,
            None,
            share,
            blank,
            points,
            None,
            0,
            last_step=state.last_step,
            whole=whole,
        )
    radius = radius_of(state, correlation, share)
    neurons, followed = list(blank), 0
    for sees in correlation.sets:
        index = groups.small[state.sees[groups.small] == sees]
        told, known = _at_rest(state, index, correlation, sees, radius or np.inf, most, work)
        followed += known
        for neuron in told:
            neurons[neuron.index] = neuron
    trust = None
    if work is not None and work.spent:
        neurons = [
            replace(neuron, escape_time=None, escape_steps=None, escape_angle=None)
            for neuron in neurons
        ]
        followed = 0
    elif radius is not None:
        still = np.array([np.nan if n.escape_time is None else n.escape_time for n in neurons])
        trust = intervals_of(state, groups, still, radius, correlation.highest, work)
    first, runner_up = _who(neurons, trust)
    if trust is not None:
        for place, k in enumerate(trust.index):
            neurons[k] = _trusted(state, neurons[k], trust, place, correlation)
    return EscapeForecast(
        state.step,
        state.time,
        radius,
        share,
        tuple(neurons),
        correlation.points,
        first,
        followed,
        runner_up,
        state.last_step,
    )


def _at_rest(
    state: InspectedState,
    index: Int[Array, " k"],
    correlation: Correlation,
    sees: float,
    radius: float,
    most: int,
    work: Work | None,
) -> tuple[list[NeuronForecast], int]:
    """Small neurons that see the same (`InspectedState.sees`), by the NCF flow of the residual as it is now;
    how many were followed."""
    start, found = correlation.sets[sees]
    ncf, weights = state.ncf(sees), state.weights[index]
    neurons = max(8, most // max(1, state.n))
    paths = frozen_paths(weights, ncf, found, radius, most=neurons, work=work)
    rates = 2.0 * _values(weights, ncf) * state.flow_factor
    told = []
    for k, w, target, time, rate, angle in zip(
        index,
        weights,
        paths.target,
        paths.escape_time,
        rates,
        paths.escape_angle,
        strict=True,
    ):
        norm, cosine = float(state.neuron_norm[k]), None
        if target >= 0 and norm > 0:
            cosine = float(nearest_member(found.points[target], w) @ w / norm)
        wait = None if np.isnan(time) else float(time) / state.flow_factor
        told.append(
            NeuronForecast(
                int(k),
                norm,
                True,
                int(start + target) if target >= 0 else None,
                cosine,
                None if np.isnan(rate) else float(rate),
                wait,
                None if wait is None else wait / state.learning_rate,
                None if np.isnan(angle) else float(np.angle(np.exp(1j * angle))),
            )
        )
    return told, paths.followed


def _who(neurons: list[NeuronForecast], found: Intervals | None) -> tuple[int | None, int | None]:
    """(who leaves first, who else may): by the intervals, without them by the residual at rest."""
    if found is not None and found.first is not None:
        other = found.runner_up
        return int(found.index[found.first]), None if other is None else int(found.index[other])
    leaving = [n for n in neurons if n.escape_time is not None and np.isfinite(n.escape_time)]
    return (min(leaving, key=lambda n: n.escape_time or 0.0).index if leaving else None), None


def _trusted(
    state: InspectedState,
    neuron: NeuronForecast,
    found: Intervals,
    place: int,
    correlation: Correlation,
) -> NeuronForecast:
    """The forecast of a neuron with its interval, on the moving residual."""
    low, high = float(found.low[place]), float(found.high[place])
    time, directions = float(found.time[place]), found.directions[:, place]
    sees, target = float(state.sees[neuron.index]), neuron.target
    d = state.ncf(sees).dimension
    if np.isfinite(time):
        target = _aim(neuron, directions, correlation, sees, d)
    cosine, bound = neuron.cosine, None
    if target is not None:
        point = correlation.points[target]
        w = state.weights[neuron.index]
        cosine = float(nearest_member(point, w) @ w / neuron.norm)
        off = degrees_off(directions, point, d)
        bound = None if off is None else off[1]
    angle = neuron.escape_angle
    if d == 2 and np.isfinite(time):
        angle = float(np.arctan2(directions[0, -1], directions[0, -2]))
    return replace(
        neuron,
        target=target,
        cosine=cosine,
        escape_time=time,
        escape_steps=time / state.learning_rate,
        escape_angle=angle,
        escape_time_low=low,
        escape_time_high=high,
        escape_steps_low=low / state.learning_rate,
        escape_steps_high=high / state.learning_rate,
        angle_bound=bound,
        confidence=float(found.confidence[place]),
    )


def _aim(
    neuron: NeuronForecast,
    directions: Float[Array, "c p"],
    correlation: Correlation,
    sees: float,
    dimension: int,
) -> int | None:
    """The KKT point that a neuron which leaves is heading to: that of the residual at rest, unless the
    motion takes it elsewhere: another maximum is less than half as far off when it leaves."""
    target, nearest = neuron.target, np.inf
    if target is not None and correlation.points[target].value > 0:
        off = degrees_off(directions, correlation.points[target], dimension)
        nearest = 0.0 if off is None else 0.5 * off[0]
    if sees not in correlation.sets:
        return target
    start, found = correlation.sets[sees]
    for index, point in enumerate(found.points):
        off = degrees_off(directions, point, dimension) if point.kind == "max" else None
        if off is not None and point.value > 0 and off[0] < nearest:
            target, nearest = start + index, off[0]
    return target


def _values(weights: Float[Array, "k p"], ncf: Ncf) -> Float[Array, " k"]:
    """N of each direction; NaN for a zero neuron."""
    size = np.linalg.norm(weights, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return ncf.value(weights / size[:, None])
