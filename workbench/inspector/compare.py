"""A forecast held against the records that follow it: who left, when, and in which direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.inspector.forecast import EscapeForecast, NeuronForecast


@dataclass(frozen=True, eq=False)
class Departure:
    """A neuron that was forecast to leave, or left, against what happened.

    None: it did not leave in the records, or there is no interval.

    `time`: flow time from the forecast until ‖w‖ = radius (log-linear between records).
    `time_error`: (forecast − time)/time. `angle_error`: degrees between u then and the target's u.
    `time_inside`, `angle_inside`: whether they were as the forecast's interval and bound say.
    `direction`: u when it left.
    """

    index: int
    time: float | None = None
    time_error: float | None = None
    angle_error: float | None = None
    time_inside: bool | None = None
    angle_inside: bool | None = None
    direction: Float[Array, " d"] | None = None


@dataclass(frozen=True)
class Comparison:
    """Neurons that were forecast to leave or left, and who was the first to leave."""

    departures: tuple[Departure, ...]
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
    departures: list[Departure] = []
    for neuron in made.neurons:
        if not neuron.small or made.radius is None:
            continue
        k = neuron.index
        row = _first_row(norm[:, k] >= made.radius)
        wait = neuron.escape_time
        if row is None:
            if wait is not None and np.isfinite(wait):
                departures.append(Departure(k))
            continue
        at, part = crossing(time, norm[:, k], row, made.radius)
        u = direction[row, k]
        if row > 0:
            u = part * u + (1.0 - part) * direction[row - 1, k]
        departures.append(_held(made, neuron, at - made.time, u))
    left = [o for o in departures if o.time is not None]
    first = min(left, key=lambda o: o.time or 0.0).index if left else None
    return Comparison(tuple(departures), first)


def _held(
    made: EscapeForecast, neuron: NeuronForecast, happened: float, u: Float[Array, " d"]
) -> Departure:
    """A neuron that left after `happened`, u being its direction then."""
    wait, low, high = neuron.escape_time, neuron.escape_time_low, neuron.escape_time_high
    error = None
    if wait is not None and np.isfinite(wait) and happened > 0:
        error = wait / happened - 1.0
    inside = None
    if low is not None and high is not None:
        inside = bool(low <= happened <= high)
    angle = None
    if neuron.target is not None:
        angle = degrees_of(u, made.points[neuron.target].direction)
    turned = None
    if angle is not None and not np.isnan(angle) and neuron.angle_bound is not None:
        turned = bool(angle <= neuron.angle_bound)
    return Departure(neuron.index, happened, error, angle, inside, turned, u)


def _first_row(mask: Array) -> int | None:
    found = np.flatnonzero(mask)
    return int(found[0]) if found.size else None


def crossing(time: Array, norm: Array, row: int, radius: float) -> tuple[float, float]:
    """(time, share of the way between two records) at which log norm, linear there, crosses log radius."""
    if row == 0 or norm[row - 1] <= 0:
        return float(time[row]), 1.0
    a, b = np.log(norm[row - 1]), np.log(norm[row])
    part = float((np.log(radius) - a) / (b - a))
    return float(time[row - 1] + part * (time[row] - time[row - 1])), part


def degrees_of(u: Float[Array, " d"], target: Float[Array, " p"]) -> float | None:
    """Angle between a direction and a KKT point's u, in degrees."""
    goal = target[-len(u) :]
    size = float(np.linalg.norm(u) * np.linalg.norm(goal))
    if size == 0:
        return None
    return float(np.degrees(np.arccos(np.clip(u @ goal / size, -1.0, 1.0))))
