"""When the weights of a whole network of order L ≥ 2 leave the origin (Kumar, Haupt, arXiv 2403.08121).

In the directions' own time, ds = ‖u‖^{L−2} dt, the flow u̇ = ∇N(u) is û' = g − ⟨û, g⟩û, (ln‖u‖)' = ⟨û, g⟩ with
g = ∇N(û), and ⟨û, g⟩ = L N(û) (Euler). So it takes no longer from tiny weights than from large ones. Once û
has come to a KKT point, 1/(L(L−2) N(û) ‖u‖^{L−2}) is left until ‖u‖ is infinite, for L > 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work

TOLERANCE, SHORTEST = 1e-5, 3e-4
"""Error of a step, in û, ln‖u‖ and the share of the time; and the least step, over 1/‖g‖, by which kinks are
crossed."""
LONGEST = 2e-2
"""The same where û slides along a kink for long: its growth is then the mean of both sides, to this."""
SHORT, LOOSEST = 2e-2, 30.0
"""Steps shorter than this over 1/‖g‖ are short, and many of them, as along a kink that bends little, may have
this many times the error: it goes to and fro."""
ROUNDS = 6_000
SHRUNK = float(np.log(1e6))
"""ln of how much ‖u‖ has shrunk when it is said to go to 0."""
DEAD = 1e-12
"""‖g‖ over that at the start, or over the size it is told to be, up to which nothing moves any more."""
AT = 1e-7
"""How near to the event, in the logarithm that it is of, a step ends on it."""

Field = Callable[[Float[np.ndarray, " P"], float], Float[np.ndarray, " P"]]
"""(û, ln‖u‖) → g; of the NCF alone g does not depend on ‖u‖."""
Event = Callable[[float, float], float]
"""(ln‖u‖, ⟨û, g⟩) → below 0 before u has left, a logarithm."""


@dataclass(frozen=True, eq=False)
class Leaving:
    """`time` until the event, ∞: never, NaN: not followed that far; `direction` û, `log_norm` ln‖u‖ and
    `growth` ⟨û, g⟩ then; `speed`: ln of ‖u̇‖ then over that at the start. `outcome`: iterations are steps."""

    time: float
    direction: Float[np.ndarray, " P"]
    log_norm: float
    growth: float
    speed: float
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class _State:
    """û, ln‖u‖ and the time in units of ‖u(0)‖^{2−L}; or their rates."""

    u: Float[np.ndarray, " P"]
    s: float
    t: float

    def moved(self, h: float, *rates: tuple[float, _State]) -> _State:
        """h along a combination of rates, û a unit vector again."""
        u = self.u + h * sum(c * r.u for c, r in rates)
        s = self.s + h * sum(c * r.s for c, r in rates)
        t = self.t + h * sum(c * r.t for c, r in rates)
        return _State(u / np.linalg.norm(u), s, t)


def leaving(
    field: Field,
    start: Float[np.ndarray, " P"],
    order: float,
    event: Event,
    *,
    tolerance: float = TOLERANCE,
    shortest: float = SHORTEST,
    rounds: int = ROUNDS,
    size: float = 0.0,
    work: Work | None = None,
) -> Leaving:
    """Follow u from `start` until the event, by Bogacki and Shampine's pair of orders 3 and 2.

    `size`: of g, where that is known; `work` is polled between steps.

    Raises:
        ValueError: start is 0 or the order below 2.
    """
    norm = float(np.linalg.norm(start))
    if not norm > 0.0 or order < 2.0:
        raise ValueError(f"weights of norm {norm} and order {order} are no small start")
    log_norm = float(np.log(norm))

    def rate(y: _State) -> _State:
        g = field(y.u, y.s)
        growth = float(y.u @ g)
        return _State(g - growth * y.u, growth, float(np.exp((2.0 - order) * (y.s - log_norm))))

    def speed(y: _State, r: _State) -> float:
        return float(np.log(max(np.hypot(np.linalg.norm(r.u), r.s), 1e-300)) + (order - 1.0) * y.s)

    y = _State(start / norm, log_norm, 0.0)
    k = rate(y)
    first = speed(y, k)
    dead = DEAD * max(size, float(np.hypot(np.linalg.norm(k.u), k.s)))
    h, floor, longest, done = np.inf, shortest, shortest * LONGEST / SHORTEST, 0
    allowed = tolerance

    def ended(time: float, end: End) -> Leaving:
        scaled = time * norm ** (2.0 - order)
        return Leaving(scaled, y.u, y.s, k.s, speed(y, k) - first, Outcome(end, done))

    while True:
        now = event(y.s, k.s)
        if now >= -AT:
            return ended(y.t, End.CONVERGED)
        g = float(np.hypot(np.linalg.norm(k.u), k.s))
        if g <= dead or y.s < log_norm - SHRUNK:
            return ended(np.inf, End.CONVERGED)
        if done >= rounds or (work is not None and work()):
            return ended(np.nan, End.OUT_OF_STEPS)
        h = float(np.clip(h, floor / g, 0.1 / g))
        trial, k1, error = _step(y, k, h, rate)
        done += 1
        if error > allowed and h > 1.01 * floor / g:
            h *= max(0.2, 0.9 * (allowed / error) ** (1.0 / 3.0))
            continue
        then = event(trial.s, k1.s)
        if then > AT and h > 1e-9 / g:
            # Past the event: the same step again, as long as the event says.
            trial, k1 = _onto(y, k, h, now, event, rate)
            y, k = trial, k1
            return ended(y.t, End.CONVERGED)
        slides = error > allowed
        floor = min(1.5 * floor, longest) if slides else max(floor / 1.2, shortest)
        loose = 1.05 if h < SHORT / g else 1 / 1.5
        allowed = float(np.clip(loose * allowed, tolerance, LOOSEST * tolerance))
        y, k = trial, k1
        h *= min(3.0, 0.9 * (allowed / max(error, 1e-300)) ** (1.0 / 3.0))


def blow_up(leaving: Leaving, order: float) -> float:
    """Time from there until ‖u‖ is infinite along a direction that stays; ∞ for L = 2 or without growth."""
    if order <= 2.0 or not leaving.growth > 0.0:
        return np.inf
    return float(np.exp((2.0 - order) * leaving.log_norm) / ((order - 2.0) * leaving.growth))


Rate = Callable[[_State], _State]


def _step(y: _State, k1: _State, h: float, rate: Rate) -> tuple[_State, _State, float]:
    """(state, its rate, error) after one step."""
    k2 = rate(y.moved(h, (0.5, k1)))
    k3 = rate(y.moved(h, (0.75, k2)))
    end = y.moved(h, (2 / 9, k1), (1 / 3, k2), (4 / 9, k3))
    k4 = rate(end)
    parts = ((-5 / 72, k1), (1 / 12, k2), (1 / 9, k3), (-1 / 8, k4))
    error = float(np.linalg.norm(h * sum(c * r.u for c, r in parts)))
    error += abs(h * sum(c * r.s for c, r in parts))
    error += abs(h * sum(c * r.t for c, r in parts)) / end.t
    return end, k4, error


def _onto(
    y: _State, k: _State, h: float, now: float, event: Event, rate: Rate
) -> tuple[_State, _State]:
    """The step of the length at which the event is, by regula falsi halved where an end stays (Illinois)."""
    low, at_low, high = 0.0, now, h
    end, k1, _ = _step(y, k, high, rate)
    at_high = event(end.s, k1.s)
    for _ in range(40):
        middle = low - at_low * (high - low) / (at_high - at_low)
        end, k1, _ = _step(y, k, middle, rate)
        at = event(end.s, k1.s)
        if abs(at) <= AT or high - low <= 1e-12 * h:
            break
        if at < 0.0:
            low, at_low, at_high = middle, at, 0.5 * at_high
        else:
            high, at_high, at_low = middle, at, 0.5 * at_low
    return end, k1
