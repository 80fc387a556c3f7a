"""When a network that does not separate into neurons leaves the origin as a whole, and where to.

Near the origin θ follows the flow of its joint NCF (KH24 §5 for order 2; Kumar, Haupt, arXiv 2403.08121,
above): `theory/ncf/leaving.py`. It has left when its part in the output changes the risk by a stated share,
‖θ‖^L N = share · 𝓛 (summed), to first order. The number is that of the residual as it is now. Its interval is
what becomes of it where the residual answers to the output, in steps of a finite size, and by a coarser
integration; and a little beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.inspector.correlation import Correlation, marks_of
from workbench.inspector.forecast_interval import BEYOND, RESOLUTION
from workbench.inspector.forecast_words import leaves_at
from workbench.inspector.state import InspectedState
from workbench.norms.l2 import L2
from workbench.theory.ncf.joint import ascended
from workbench.theory.ncf.leaving import (
    ROUNDS,
    SHORTEST,
    TOLERANCE,
    Field,
    Leaving,
    blow_up,
    leaving,
)
from workbench.theory.numerics.work import Work

COARSER = 4.0
"""How much coarser the integration is that shows what the finer one is good to."""
PASSES, CALL = 6.0, 5e6
"""Operations of a gradient, over samples × parameters, and what calling it counts: half a millisecond."""
SAME = 1e-3
"""Share of N, and distance of singular values, up to which an end is a KKT point that is listed."""


@dataclass(frozen=True, eq=False)
class WholeForecast:
    """The whole θ, in the run's flow time from now; ∞: never, NaN: not followed that far.

    `norm`: ‖θ‖; `radius`: the norm at which it has left, None where it never does. `order`: L. `value`,
    `value_then`: N of its direction now and then; `rate`: d log‖θ‖/dt now. `target`: index of the KKT point
    (or orbit) that it heads to; `angle_then`: degrees off it when it leaves. `escape_…`: when it leaves, with
    the interval; steps are times over the learning rate. `blow_up_…`: when the flow on the residual at rest
    is infinite, ∞ for L = 2.
    """

    norm: float
    order: float
    value: float
    rate: float
    radius: float | None = None
    value_then: float | None = None
    target: int | None = None
    angle_then: float | None = None
    escape_time: float = float("nan")
    escape_time_low: float = float("nan")
    escape_time_high: float = float("nan")
    escape_steps: float = float("nan")
    escape_steps_low: float = float("nan")
    escape_steps_high: float = float("nan")
    blow_up_time: float = float("nan")
    blow_up_steps: float = float("nan")


def whole_forecast(
    state: InspectedState,
    correlation: Correlation,
    *,
    share: float,
    work: Work | None = None,
) -> WholeForecast | None:
    """The forecast near the origin; None where points are not those of θ, or the rule not the gradient's."""
    norm, order = float(np.linalg.norm(state.theta)), correlation.order
    usable = correlation.joint and not correlation.beside and isinstance(state.norm, L2)
    if not usable or not norm > 0.0 or order < 2.0:
        return None
    ncf = state.risk.joint(state.z)
    u = state.theta / norm
    value = float(ncf.value(u[None])[0])
    rate = order * norm ** (order - 2.0) * value * state.flow_factor
    blank = WholeForecast(norm, order, value, rate)
    if not correlation.scale > 0.0:
        return blank
    cost = CALL + PASSES * state.n * state.structure.size

    def at_rest(u: Float[np.ndarray, " P"], s: float) -> Float[np.ndarray, " P"]:
        if work is not None:
            work.add(cost)
        return ncf.gradient(u[None])[0]

    summed = state.log_risk - np.log(state.flow_factor)

    def changes(s: float, growth: float) -> float:
        return order * s + float(np.log(max(growth / order, 1e-300)) - np.log(share) - summed)

    size = order * correlation.scale
    found = leaving(at_rest, state.theta, order, changes, size=size, work=work)
    if np.isnan(found.time):
        return blank
    if np.isinf(found.time):
        return _never(blank)
    others = _scenarios(state, found, at_rest, order, size, cost, work)
    return _told(state, blank, correlation, found, others)


def whole_words(made: WholeForecast, step: int) -> tuple[str, ...]:
    """The forecast in sentences; steps count from the run's start."""
    now = f"θ has norm {made.norm:.3g} and N = {made.value:.4g} along its direction"
    if not np.isfinite(made.escape_time) or made.value_then is None or made.radius is None:
        never = "; it never leaves the origin" if np.isinf(made.escape_time) else ""
        return (f"{now}{never}.",)
    when = leaves_at(step, made.escape_steps, made.escape_steps_low, made.escape_steps_high)
    listed = made.target is not None
    whither = f"to KKT point {made.target}" if listed else "to a KKT point that is not listed"
    off = "" if made.angle_then is None else f", {made.angle_then:.1f}° off it by then"
    told = [
        f"{now}.",
        f"θ leaves the origin as a whole near step {when}, at norm {made.radius:.3g} and N = "
        f"{made.value_then:.4g}, heading {whither}{off}.",
    ]
    if np.isfinite(made.blow_up_time):
        told.append(
            f"Were the residual to stay, ‖θ‖ would be infinite at step {step + made.blow_up_steps:,.0f}: "
            f"order {made.order:g}, so times go like δ^−{made.order - 2.0:g} of the size δ of the start."
        )
    return tuple(told)


def _scenarios(
    state: InspectedState,
    found: Leaving,
    at_rest: Field,
    order: float,
    size: float,
    cost: float,
    work: Work | None,
) -> list[float]:
    """Times until ‖θ‖ is what it is at the end of `found`, by other means."""

    def reaches(s: float, growth: float) -> float:
        return s - found.log_norm

    def answered(u: Float[np.ndarray, " P"], s: float) -> Float[np.ndarray, " P"]:
        if work is not None:
            work.add(cost)
        g, scale = state.risk.gradient(np.exp(s) * u)
        return -g * np.exp(scale - np.log(state.flow_factor) - (order - 1.0) * s)

    coarse = leaving(
        at_rest,
        state.theta,
        order,
        reaches,
        tolerance=COARSER * TOLERANCE,
        shortest=COARSER * SHORTEST,
        rounds=ROUNDS,
        size=size,
        work=work,
    )
    moved = leaving(answered, state.theta, order, reaches, size=size, work=work)
    # Descent lags behind the flow by half a step a factor e of its speed (the modified equation).
    lag = 0.5 * state.learning_rate * state.flow_factor * max(found.speed, 0.0)
    return [found.time, coarse.time, moved.time, found.time + lag]


def _told(
    state: InspectedState,
    blank: WholeForecast,
    correlation: Correlation,
    found: Leaving,
    times: list[float],
) -> WholeForecast:
    factor, step, order = state.flow_factor, state.learning_rate, correlation.order
    time = found.time / factor
    unknown = bool(np.isnan(times).any())
    low, high = min(times, default=0.0) / factor, max(times, default=0.0) / factor
    if unknown:
        low, high = np.nan, np.nan
    elif time > 0.0:
        spread = np.log(high / max(low, 1e-300)) if np.isfinite(high) else 0.0
        beyond = float(np.exp(BEYOND * spread + RESOLUTION))
        low, high = max(low / beyond - 0.5 * step, 0.0), high * beyond + 0.5 * step
    left = time + blow_up(found, order) / factor
    target, angle = _aim(state, correlation, found.direction)
    return WholeForecast(
        norm=blank.norm,
        order=order,
        value=blank.value,
        rate=blank.rate,
        radius=float(np.exp(found.log_norm)),
        value_then=found.growth / order,
        target=target,
        angle_then=angle,
        escape_time=time,
        escape_time_low=low,
        escape_time_high=high,
        escape_steps=time / step,
        escape_steps_low=low / step,
        escape_steps_high=high / step,
        blow_up_time=left,
        blow_up_steps=left / step,
    )


def _never(blank: WholeForecast) -> WholeForecast:
    """It goes to 0, or nothing moves it."""
    inf = float("inf")
    return WholeForecast(
        blank.norm,
        blank.order,
        blank.value,
        blank.rate,
        escape_time=inf,
        escape_steps=inf,
        blow_up_time=inf,
        blow_up_steps=inf,
    )


def _aim(
    state: InspectedState, correlation: Correlation, direction: Float[np.ndarray, " P"]
) -> tuple[int | None, float | None]:
    """(the KKT point, degrees off) that a direction ascends to; None for one that is not listed."""
    ncf = state.risk.joint(state.z)
    end, height = ascended(ncf.value, ncf.gradient, direction)
    angle = float(np.degrees(np.arccos(np.clip(end @ direction, -1.0, 1.0))))
    mark = marks_of(state, end[None])[0]
    for index, point in enumerate(correlation.points):
        near = abs(point.value - height) <= SAME * correlation.scale
        if near and np.linalg.norm(marks_of(state, point.direction[None])[0] - mark) <= SAME:
            return index, angle
    return None, angle
