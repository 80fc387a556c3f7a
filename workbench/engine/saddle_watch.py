"""Is the run near a saddle now? Decided from a record's scalars, once for every saddle.

Near the origin (KH24 Theorem 5.1) the risk is that of θ = 0 and would change by the share
s = ρ‖∇𝓛‖/𝓛 while the norm grows e-fold: s → 0 there. It is told when the directions have settled,
cos(θ, −∇𝓛) ≥ 0.99, or at the latest when s reaches 1 %.

Later (Theorem 5.5) the state passes a saddle at a closest approach: ‖∇𝓛‖ falls far below its peak since
the last saddle while log 𝓛 is level, and turns to rise, the risk falling all the while. A run that starts
at rest elsewhere counts as having come from s = 1. Convergence to a minimum and 𝓛 → 0 have no turn, slow
descent no depth, and steps that are too large let the risk rise.

What comes of it is a candidate: proof is the inspector's (`inspector/saddle.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import exp, isfinite, log

import numpy as np

from workbench.arrays import Array

AT_ZERO = 0.01
"""Most |log 𝓛 − log 𝓛(0)| near the origin."""
SETTLED = 0.99
LAST_CALL = 0.01
START_SHARE = 0.05
"""Most s at the first record of a run that is to count as starting near the origin."""
START_STILL = 0.01
"""Most s at the first record of a run that starts near another critical point."""
DEPTH = log(5.0)
"""Least fall of log ‖∇𝓛‖ below its peak since the last saddle."""
TURN = log(1.2)
"""Rise, or fall, of log ‖∇𝓛‖ that is a turn; the largest rise between two records does not count, as
the gradient jumps where an activation changes."""
LEVEL = 0.05
"""Most fall of log 𝓛 while ‖∇𝓛‖ was within a factor 2 of its lowest, up to the turn."""
WINDOW = log(2.0)
SPACING = 0.05
"""Spacing in log ‖∇𝓛‖ of the records kept from the way down."""
RISES = 1e-3
"""Most that log 𝓛 rises from record to record, summed over the approach: kinks that are stepped over
to and fro give a little, steps that are too large much."""
ROUNDING = 1e3
"""Gradients below this many machine epsilons of the highest peak are rounding."""

SCALARS = ("step", "log_risk", "grad_norm_log", "alignment", "rho")


@dataclass(frozen=True)
class Candidate:
    """A saddle that the watch sees: the row it was seen at, and the words for it."""

    row: int
    step: int
    origin: bool
    evidence: str


Confirm = Callable[[Array, int], str | None]
"""(θ (P), step) of a candidate -> words of proof or doubt, None where it is certainly no saddle."""


@dataclass
class SaddleWatch:
    """State machine over the records of a run; `to_array`/`load` keep it to the last bit.

    `log_risk_zero`: log 𝓛 at θ = 0, None where the origin is no critical point (order L < 2, or none).
    `epsilon`: of the run's floating-point numbers.
    """

    log_risk_zero: float | None = None
    epsilon: float = float(np.finfo(np.float64).eps)
    fresh: bool = True
    at_origin: bool = False
    origin_told: bool = False
    falling: bool = False
    top: float = -np.inf
    peak: float = -np.inf
    edge: float = -np.inf
    edge_step: float = 0.0
    last_log_risk: float = np.inf
    last_gradient: float = -np.inf
    jump: float = 0.0
    rises: float = 0.0
    trail: list[tuple[float, float]] = field(default_factory=list)

    def scan(self, values: Mapping[str, Array], start: int, stop: int) -> Candidate | None:
        """Take in rows start … stop − 1, up to and including the first at which a saddle is seen."""
        columns = [values[name][start:stop].tolist() for name in SCALARS]
        for offset, record in enumerate(zip(*columns, strict=True)):
            seen = self._take(*record)
            if seen is not None:
                return Candidate(start + offset, int(record[0]), *seen)
        return None

    def disturb(self) -> None:
        """θ was moved by hand: what led here says nothing of what follows."""
        self.fresh, self.trail = True, []

    # --- one record ---

    def _take(
        self, step: int, log_risk: float, gradient: float, alignment: float, rho: float
    ) -> tuple[bool, str] | None:
        """(at the origin, evidence) when this record is the one."""
        if not isfinite(log_risk) or not isfinite(gradient):
            return None
        self.top = max(self.top, gradient)
        gradient = max(gradient, self.top + log(ROUNDING * self.epsilon))
        if self.fresh:
            self._begin(step, log_risk, gradient, rho)
        if self.at_origin:
            return self._origin(step, log_risk, gradient, alignment, rho)
        return self._later(step, log_risk, gradient)

    def _begin(self, step: int, log_risk: float, gradient: float, rho: float) -> None:
        """The first record, or the first after a perturbation."""
        self.fresh = False
        zero = self.log_risk_zero
        near = zero is not None and abs(log_risk - zero) <= AT_ZERO
        share = exp(gradient - log_risk) * rho
        first = self.last_log_risk == np.inf
        self.at_origin = near and share <= START_SHARE
        self._rise(step, gradient)
        self.peak, self.last_log_risk, self.last_gradient = gradient, log_risk, gradient
        rests = zero is not None and not self.at_origin and 0.0 < share <= START_STILL
        if first and rests:
            # Already at rest: the way down to here is not known, the gradient it compares with is s = 1.
            self.peak = gradient - log(share)
            self.falling, self.rises, self.jump = True, 0.0, 0.0
            self.trail = [(gradient, log_risk)]

    def _origin(
        self, step: int, log_risk: float, gradient: float, alignment: float, rho: float
    ) -> tuple[bool, str] | None:
        zero = self.log_risk_zero
        if zero is None or abs(log_risk - zero) > AT_ZERO:
            self.at_origin = False
            self._rise(step, gradient)
            self.peak, self.last_log_risk = gradient, log_risk
            return None
        share = exp(gradient - log_risk) * rho
        due = alignment >= SETTLED or (share >= LAST_CALL and alignment > 0.0)
        if self.origin_told or not due:
            return None
        self.origin_told = True
        return True, (
            f"near the origin: risk within {abs(log_risk - zero):.2g} of that at θ = 0 (log), "
            f"cos(θ, −∇L) = {alignment:.4f}"
        )

    def _later(self, step: int, log_risk: float, gradient: float) -> tuple[bool, str] | None:
        self.rises += max(0.0, log_risk - self.last_log_risk)
        self.last_log_risk = log_risk
        rise, self.last_gradient = gradient - self.last_gradient, gradient
        if not self.falling:
            if gradient > self.edge:
                self.edge = gradient
                self.peak = max(self.peak, gradient)
            elif gradient < self.edge - TURN:
                self.falling, self.rises = True, 0.0
                self.edge, self.edge_step = gradient, float(step)
                self.trail, self.jump = [(gradient, log_risk)], 0.0
            return None
        if gradient < self.edge:
            self.edge, self.edge_step, self.jump = gradient, float(step), 0.0
            if gradient < self.trail[-1][0] - SPACING:
                self.trail.append((gradient, log_risk))
            return None
        self.jump = max(self.jump, rise)
        if gradient - self.jump <= self.edge + TURN:
            return None
        return self._turned(step, log_risk, gradient)

    def _turned(self, step: int, log_risk: float, gradient: float) -> tuple[bool, str] | None:
        """‖∇𝓛‖ rises again: a closest approach if it was deep, level and clean."""
        lowest, depth = self.edge, self.peak - self.edge
        before = [r for g, r in self.trail if g >= lowest + WINDOW]
        fall = (before[-1] if before else self.trail[0][1]) - log_risk
        at, clean = int(self.edge_step), self.rises <= RISES
        self._rise(step, gradient)
        if not (clean and depth >= DEPTH and fall <= LEVEL):
            return None
        self.peak = gradient
        return False, (
            f"closest approach at step {at:,}: the gradient fell to {exp(-depth):.2g} of its peak "
            f"and rises again, log risk level within {max(fall, 0.0):.2g}"
        )

    def _rise(self, step: int, gradient: float) -> None:
        """From here on the gradient counts as rising."""
        self.falling, self.edge, self.edge_step = False, gradient, float(step)
        self.trail = []

    # --- checkpoints ---

    def to_array(self) -> Array:
        """The state as one vector."""
        flags = [self.fresh, self.at_origin, self.origin_told, self.falling]
        numbers = [self.top, self.peak, self.edge, self.edge_step]
        numbers += [self.last_log_risk, self.last_gradient, self.jump, self.rises]
        flat = [number for pair in self.trail for number in pair]
        return np.array([*map(float, flags), *numbers, *flat])

    def load(self, array: Array) -> None:
        """Take over such a vector; raises ValueError when it is none."""
        if array.ndim != 1 or array.size < 12 or array.size % 2:
            raise ValueError("the saddle watch's state has the wrong length")
        numbers = [float(a) for a in array]
        flags = [number != 0.0 for number in numbers[:4]]
        self.fresh, self.at_origin, self.origin_told, self.falling = flags
        self.top, self.peak, self.edge, self.edge_step = numbers[4:8]
        self.last_log_risk, self.last_gradient, self.jump, self.rises = numbers[8:12]
        rest = numbers[12:]
        self.trail = list(zip(rest[::2], rest[1::2], strict=True))


def seen(
    watch: SaddleWatch,
    values: Mapping[str, Array],
    stop: int,
    theta: Array,
    confirm: Confirm | None,
    *,
    first: bool,
) -> list[Candidate]:
    """Saddles in the rows 0 … stop − 1 of a chunk, θ (T, P); only up to the first where asked so."""
    found: list[Candidate] = []
    start = 0
    while start < stop:
        candidate = watch.scan(values, start, stop)
        if candidate is None:
            break
        start = candidate.row + 1
        words = "candidate" if confirm is None else confirm(theta[candidate.row], candidate.step)
        if words is None:
            continue
        found.append(replace(candidate, evidence=f"{candidate.evidence}; {words}"))
        if first:
            break
    return found
