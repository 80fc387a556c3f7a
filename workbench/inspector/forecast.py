"""Which small neurons leave, along which KKT direction, and when (KH24 §5.3; theory/forecast.py).

A neuron has left when its norm reaches `radius`: there its part in the output changes the risk by a
stated share, r² max N = share · 𝓛 (summed), to first order. Until then z may be taken to stand still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.inspector.correlation import Correlation
from workbench.inspector.groups import Groups
from workbench.inspector.plane_flow import is_balanced, plane_paths
from workbench.inspector.state import InspectedState
from workbench.theory import forecast as theory
from workbench.theory.ncf import NeuronKind, ncf_value
from workbench.theory.result import KktPoint, KktSet

SHARE = 0.01
"""The share of the risk that a neuron's part changes where it counts as having left."""
FOLLOWED = 20_000
"""Most neurons × samples that are followed by integration; more neurons get a rate only."""


@dataclass(frozen=True)
class NeuronForecast:
    """One neuron. None: not known, or not a small neuron.

    `target`: index into the KKT points. `cosine`: with the target, now. `rate`: d log‖w‖/dt now, in the
    run's flow time. `escape_time`: flow time from now until ‖w‖ = radius, ∞ if never; `escape_steps` =
    escape_time over the learning rate. `escape_angle`: of u then, in radians, for inputs in the plane;
    it is not the target's where a neuron leaves before it has arrived.
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


@dataclass(frozen=True, eq=False)
class EscapeForecast:
    """All neurons, made at `step`, `time`. `first`: the neuron that leaves first, if any does."""

    step: int
    time: float
    radius: float | None
    share: float
    neurons: tuple[NeuronForecast, ...]
    points: tuple[KktPoint, ...]
    first: int | None
    followed: int


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
    cancel: Callable[[], bool] | None = None,
) -> EscapeForecast:
    """The forecast for the small neurons; large ones are listed with their norm."""
    norm = state.neuron_norm
    small = np.zeros(len(norm), dtype=bool)
    small[groups.small] = True
    blank = tuple(NeuronForecast(k, float(norm[k]), bool(small[k])) for k in range(len(norm)))
    usable = correlation is not None and not correlation.joint and len(groups.small) > 0
    if correlation is None or not usable:
        points = () if correlation is None else correlation.points
        return EscapeForecast(state.step, state.time, None, share, blank, points, None, 0)
    radius = radius_of(state, correlation, share)
    neurons = list(blank)
    followed = 0
    for sign, (start, found) in correlation.sets.items():
        index = groups.small[state.sees[groups.small] == sign]
        z = sign * state.z
        targets, times, angles, known = _paths(state, index, z, found, radius or np.inf, cancel)
        followed += known
        weights = state.weights[index]
        rates = 2.0 * _values(state, weights, z) * state.flow_factor
        for k, w, target, time, rate, angle in zip(
            index, weights, targets, times, rates, angles, strict=True
        ):
            cosine = None
            if target >= 0 and norm[k] > 0:
                cosine = float(_member(found.points[target], w) @ w / norm[k])
            wait = None if np.isnan(time) else float(time) / state.flow_factor
            neurons[k] = NeuronForecast(
                int(k),
                float(norm[k]),
                True,
                int(start + target) if target >= 0 else None,
                cosine,
                None if np.isnan(rate) else float(rate),
                wait,
                None if wait is None else wait / state.learning_rate,
                None if np.isnan(angle) else float(np.angle(np.exp(1j * angle))),
            )
    leaving = [n for n in neurons if n.escape_time is not None and np.isfinite(n.escape_time)]
    first = min(leaving, key=lambda n: n.escape_time or 0.0).index if leaving else None
    return EscapeForecast(
        state.step, state.time, radius, share, tuple(neurons), correlation.points, first, followed
    )


def _values(
    state: InspectedState, weights: Float[Array, "k p"], z: Float[Array, " n"]
) -> Float[Array, " k"]:
    """N of each direction; NaN for a zero neuron."""
    size = np.linalg.norm(weights, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return ncf_value(weights / size[:, None], state.x, z, state.kind, _leak(state))


def _leak(state: InspectedState) -> float:
    neurons = state.separable
    return 0.0 if neurons is None else neurons.leak


def _paths(
    state: InspectedState,
    index: Int[Array, " k"],
    z: Float[Array, " n"],
    found: KktSet,
    radius: float,
    cancel: Callable[[], bool] | None,
) -> tuple[Int[Array, " k"], Float[Array, " k"], Float[Array, " k"], int]:
    """(target in `found`, escape time for the summed risk, angle then, how many were followed)."""
    weights, kind, leak = state.weights[index], state.kind, _leak(state)
    targets = np.full(len(index), -1, dtype=np.int64)
    times, angles = np.full(len(index), np.nan), np.full(len(index), np.nan)
    plane = np.zeros(len(index), dtype=bool)
    if state.x.shape[1] == 2 and found.complete:
        plane = is_balanced(weights, kind)
    if plane.any():
        path = plane_paths(weights[plane], state.x, z, kind, leak, radius, cancel=cancel)
        times[plane], angles[plane] = path.escape_time, path.escape_angle
        sign = np.sign(weights[plane, 0])
        targets[plane] = [
            _at_angle(found, kind, a, s) for a, s in zip(path.angle, sign, strict=True)
        ]
    rest = np.flatnonzero(~plane)
    if len(rest):
        # Large ones first: they are the nearest to leaving.
        rest = rest[np.argsort(-np.linalg.norm(weights[rest], axis=1), kind="stable")]
        rest = rest[: max(8, FOLLOWED // max(1, state.n))]
        far = min(radius, 1e300)
        got = theory.forecast(
            weights[rest], state.x, z, found, kind, leak, radius=far, cancel=cancel
        )
        targets[rest] = got.target
        times[rest] = got.escape_time
    if not np.isfinite(radius):
        times[~np.isnan(times)] = np.inf
    return targets, times, angles, int(plane.sum()) + len(rest)


def _at_angle(found: KktSet, kind: NeuronKind, angle: float, sign: float) -> int:
    """The listed point at a direction of u (for two-layer neurons with that sign of v); −1: none."""
    if np.isnan(angle):
        return -1
    for index, point in enumerate(found.points):
        extent = point.extent
        if extent is not None and extent.angles is not None:
            start, end = extent.angles
            if np.mod(angle - start + 1e-6, 2 * np.pi) <= end - start + 2e-6:
                return index
            continue
        u = point.direction[-2:]
        if np.hypot(*u) < 1e-9:
            continue
        same = kind is NeuronKind.SQUARED_RELU or point.direction[0] * sign > 0
        same = same or (extent is not None and point.direction[0] == 0)
        if same and abs(np.angle(np.exp(1j * (np.arctan2(u[1], u[0]) - angle)))) < 1e-6:
            return index
    return -1


def _member(point: KktPoint, w: Float[Array, " p"]) -> Float[Array, " p"]:
    """The member of a point or flat arc that is nearest to a direction (unit, p numbers)."""
    extent = point.extent
    if extent is None or extent.shape != "arc" or extent.angles is None:
        return point.direction
    start, end = extent.angles
    offset = np.mod(np.arctan2(w[1], w[0]) - start, 2 * np.pi)
    if offset > end - start:
        offset = 0.0 if 2 * np.pi - offset < offset - (end - start) else end - start
    return np.array([np.cos(start + offset), np.sin(start + offset)])


# --- what happened ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A neuron's forecast against what happened. None: it did not leave in the records.

    `time`: flow time from the forecast until ‖w‖ = radius (log-linear between records).
    `time_error`: (forecast − time)/time. `angle_error`: degrees between u then and the target's u.
    """

    index: int
    forecast_time: float | None
    time: float | None
    time_error: float | None
    angle_error: float | None


@dataclass(frozen=True)
class Comparison:
    """Outcomes of neurons that were forecast to leave or left; who was first, forecast and true."""

    outcomes: tuple[Outcome, ...]
    first_forecast: int | None
    first: int | None


def compare(
    made: EscapeForecast,
    time: Float[Array, " T"],
    norm: Float[Array, "T H"],
    direction: Float[Array, "T H d"],
) -> Comparison:
    """Hold a forecast against later records: flow time, neuron norms, directions of u.

    Records before the forecast are ignored. Only the neurons that leave before the residual has moved
    on are a fair test: the first to reach the radius, and those close behind.
    """
    later = time >= made.time
    time, norm, direction = time[later], norm[later], direction[later]
    outcomes: list[Outcome] = []
    for neuron in made.neurons:
        if not neuron.small or made.radius is None:
            continue
        k = neuron.index
        row = _first_row(norm[:, k] >= made.radius)
        wait = neuron.escape_time
        expected = wait is not None and np.isfinite(wait)
        if row is None:
            if expected:
                outcomes.append(Outcome(k, wait, None, None, None))
            continue
        happened = _crossing(time, norm[:, k], row, made.radius) - made.time
        error = None
        if expected and wait is not None and happened > 0:
            error = wait / happened - 1.0
        angle = None
        if neuron.target is not None:
            angle = _degrees(direction[row, k], made.points[neuron.target].direction)
        outcomes.append(Outcome(k, wait, happened, error, angle))
    left = [o for o in outcomes if o.time is not None]
    first = min(left, key=lambda o: o.time or 0.0).index if left else None
    return Comparison(tuple(outcomes), made.first, first)


def _first_row(mask: Array) -> int | None:
    found = np.flatnonzero(mask)
    return int(found[0]) if found.size else None


def _crossing(time: Array, norm: Array, row: int, radius: float) -> float:
    """The time at which log norm crosses log radius, linear between two records."""
    if row == 0 or norm[row - 1] <= 0:
        return float(time[row])
    a, b = np.log(norm[row - 1]), np.log(norm[row])
    part = (np.log(radius) - a) / (b - a)
    return float(time[row - 1] + part * (time[row] - time[row - 1]))


def _degrees(u: Float[Array, " d"], target: Float[Array, " p"]) -> float | None:
    """Angle between a direction and a KKT point's u, in degrees."""
    goal = target[-len(u) :]
    size = float(np.linalg.norm(u) * np.linalg.norm(goal))
    if size == 0:
        return None
    return float(np.degrees(np.arccos(np.clip(u @ goal / size, -1.0, 1.0))))
