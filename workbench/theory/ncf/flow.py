"""The NCF flow u̇ ∈ ∂N(u), followed as a direction and a log-norm so that blow-up does no harm.

With û = u/‖u‖ and N positively homogeneous of order L (KH24 Lemma 5.3, C.6):

    dû/dt = ‖u‖^{L−2} (∇N(û) − L N(û) û),      d log‖u‖/dt = L ‖u‖^{L−2} N(û).

A third-order Runge-Kutta method with a step of its own for every neuron, chosen from an embedded
second-order step. Where a one-sided `gradient` is given for a flow that slides along a concave kink,
the steps shrink until it chatters within the tolerance; `SlidingField` avoids that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from workbench.arrays import Array
from workbench.theory.ncf.neuron import ORDER
from workbench.theory.numerics.outcome import End, Outcome

Gradient = Callable[[Float[Array, "B p"]], Float[Array, "B p"]]
"""One Clarke selection of ∂N for each row."""


@dataclass(frozen=True, eq=False)
class FlowPath:
    """`time` (T,); `direction` (T, B, p) unit; `log_norm` (T, B); `reached` (T, B): the time was
    reached within the allowed number of steps.

    `outcome`: iterations are rounds of steps, the residual is the largest local error of an accepted one in
    radians; converged where every row reached every time.
    """

    time: Float[Array, " T"]
    direction: Float[Array, "T B p"]
    log_norm: Float[Array, "T B"]
    reached: Bool[Array, "T B"]
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class Moved:
    """A step of a batch, to be accepted or refused by row: new state and local error (radians)."""

    direction: Float[Array, "B p"]
    log_norm: Float[Array, " B"]
    error: Float[Array, " B"]


def flow_step(
    gradient: Gradient,
    direction: Float[Array, "B p"],
    log_norm: Float[Array, " B"],
    step: Float[Array, " B"],
    order: int = ORDER,
) -> Moved:
    """A third-order step of length `step` by row (Ralston); error: the angle (radians) to the
    second-order midpoint step."""
    h = step[:, None]
    turn, grow = _speeds(gradient, direction, log_norm, order)
    middle = _unit(direction + 0.5 * h * turn)
    turn2, grow2 = _speeds(gradient, middle, log_norm + 0.5 * step * grow, order)
    later = _unit(direction + 0.75 * h * turn2)
    turn3, grow3 = _speeds(gradient, later, log_norm + 0.75 * step * grow2, order)
    end = _unit(direction + h / 9.0 * (2.0 * turn + 3.0 * turn2 + 4.0 * turn3))
    rough = _unit(direction + h * turn2)
    log_end = log_norm + step / 9.0 * (2.0 * grow + 3.0 * grow2 + 4.0 * grow3)
    return Moved(end, log_end, np.linalg.norm(end - rough, axis=1))


def next_step(
    step: Float[Array, " B"], error: Float[Array, " B"], tolerance: float
) -> Float[Array, " B"]:
    """The step that would have met the tolerance, within a factor 5 of the last."""
    factor = 0.9 * np.cbrt(tolerance / np.maximum(error, 1e-300))
    return step * np.clip(factor, 0.2, 2.0)


def _speeds(
    gradient: Gradient,
    direction: Float[Array, "B p"],
    log_norm: Float[Array, " B"],
    order: int,
) -> tuple[Float[Array, "B p"], Float[Array, " B"]]:
    """(dû/dt, d log‖u‖/dt) by rows."""
    rate = gradient(direction)
    if order != 2:
        rate = rate * np.exp((order - 2) * log_norm)[:, None]
    outward = np.sum(rate * direction, axis=1)
    return rate - outward[:, None] * direction, outward


def _unit(u: Float[Array, "B p"]) -> Float[Array, "B p"]:
    """Rows scaled to norm 1."""
    return u / np.linalg.norm(u, axis=1, keepdims=True)


def ncf_flow(
    start: Float[Array, "B p"],
    gradient: Gradient,
    time: Float[Array, " T"],
    *,
    order: int = ORDER,
    tolerance: float = 1e-5,
    rounds: int = 100_000,
) -> FlowPath:
    """The flow from nonzero starts at rising times ≥ 0 (KH24 eq. (5)).

    `tolerance`: local error of the direction in radians per step. On a repelling kink, where the
    flow branches, the path follows the selection that `gradient` makes.

    Raises:
        ValueError: a start is zero, or the times do not rise from ≥ 0.
    """
    norm = np.linalg.norm(start, axis=1)
    if not (norm > 0).all():
        raise ValueError("every start must be nonzero")
    if len(time) and (time[0] < 0 or (np.diff(time) < 0).any()):
        raise ValueError("times must rise from 0 or later")
    direction, log_norm = start / norm[:, None], np.log(norm)
    step = np.full(len(start), 0.1) / np.maximum(
        np.linalg.norm(_speeds(gradient, direction, log_norm, order)[0], axis=1), 1e-3
    )
    now, path, logs, flags, used, worst = np.zeros(len(start)), [], [], [], 0, 0.0
    for stop in time:
        while used < rounds:
            todo = np.flatnonzero(now < stop)
            if len(todo) == 0:
                break
            used += 1
            h = np.minimum(step[todo], stop - now[todo])
            moved = flow_step(gradient, direction[todo], log_norm[todo], h, order)
            good = moved.error <= tolerance
            taken = todo[good]
            worst = max(worst, float(moved.error[good].max(initial=0.0)))
            direction[taken], log_norm[taken] = moved.direction[good], moved.log_norm[good]
            now[taken] = np.where(h[good] >= stop - now[taken], stop, now[taken] + h[good])
            step[todo] = np.maximum(next_step(h, moved.error, tolerance), 1e-12)
        path.append(direction.copy())
        logs.append(log_norm.copy())
        flags.append(now >= stop)
    shape = (len(time), *start.shape)
    reached = np.array(flags, dtype=bool).reshape(shape[:2])
    end = End.CONVERGED if reached.all() else End.OUT_OF_STEPS
    return FlowPath(
        time,
        np.array(path).reshape(shape),
        np.array(logs).reshape(shape[:2]),
        reached,
        Outcome(end, used, worst),
    )
