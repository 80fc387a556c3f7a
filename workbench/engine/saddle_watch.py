"""When to ask whether the run is at a saddle, from a record's scalars; the verdict is the inspector's.

The watch proposes, `inspector/saddle.py` decides, and what is told is its verdict on that very record. Asked
are: the first record where the gradient is rounding (a start exactly at a critical point); near the origin
(KH24 Theorem 5.1) the record at which the directions have settled, cos(θ, −∇𝓛) ≥ 0.99, or at the latest
when the norm's e-fold would change the risk by s = ρ‖∇𝓛‖/𝓛 = 1 %; later (Theorem 5.5) the one at which ‖∇𝓛‖
has turned from falling to rising, the closest approach; and any at which the risk has been level for
100 records and half as long as all the time before.

A saddle is told once. The next is another one only when the risk has really fallen, by 1 % and by three
times whatever it rises by from noise, and ‖∇𝓛‖ has come down again to half of its highest on the way.

Told is what has κ = ‖∇𝓛‖²/𝓛 at most a tenth of the rate of the way out (`SLOW`) when asked. The gradient has
then risen by a tenth or more above its lowest: measured over passages of every strength, all whose lowest
κ is below 0.07 of that rate are told, none above 0.1 (tests/inspector/test_hunt.py). Milder ones are slow
descent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import exp, inf, isfinite, isnan, log, nan
from typing import Protocol

import numpy as np

from workbench.arrays import Array

AT_ZERO = 0.01
"""Most |log 𝓛 − log 𝓛(0)| near the origin."""
SETTLED = 0.99
LAST_CALL = 0.01
START_SHARE = 0.05
"""Most s at the first record of a run that is to count as starting near the origin."""
TURN = log(1.1)
"""Rise, or fall, of log ‖∇𝓛‖ that is a turn; the largest rise between two records does not count, as
the gradient jumps where an activation changes."""
LEFT = 0.01
"""Least fall of log 𝓛 after which a saddle has been left: the share at which a neuron has."""
NOISES = 3.0
"""Times the largest rise of log 𝓛 since a saddle was told that the fall must be as well."""
BUMP = log(2.0)
"""Fall of log ‖∇𝓛‖ below its highest since a saddle was told that may be the approach to another."""
DEEPER = 2.0 * log(2.0)
"""Fall of log κ below that at the last refusal after which it is worth to ask again at once."""
NEWS = 0.05
"""Change of log 𝓛 after which it is too."""
HOPELESS = log(10.0)
"""Not asked while κ is this much above the rate that the last verdict found, unless that is old."""
LONG = 100.0
"""Least records for which the risk has been level when that alone is a reason to ask."""
ROUNDING = 1e3
"""Gradients below this many machine epsilons of the highest peak are rounding."""
FLOOR = 1e3
"""A gradient of exactly 0 counts as e^{−FLOOR}."""

SCALARS = ("step", "log_risk", "grad_norm_log", "alignment", "rho")
VERSION = 2.0


@dataclass(frozen=True)
class Answer:
    """The inspector's verdict on a proposed record: whether it is a saddle, its words, and the rate of
    the fastest way out, 0 where none was found."""

    saddle: bool
    words: str
    rate: float


@dataclass(frozen=True)
class Candidate:
    """A record to ask about: its row, and what the watch saw; later with the verdict's words."""

    row: int
    step: int
    evidence: str


class ThetaRows(Protocol):
    """θ (P) of every record of a chunk, by its row."""

    def __getitem__(self, row: int, /) -> Array: ...


Confirm = Callable[[Array, int], Answer]
"""(θ (P), step) of a candidate -> the verdict."""


@dataclass
class SaddleWatch:
    """State machine over the records of a run; `to_array`/`load` keep it to the last bit.

    `log_risk_zero`: log 𝓛 at θ = 0, None where the origin is no critical point (order L < 2, or none).
    `epsilon`: of the run's floating-point numbers.
    """

    log_risk_zero: float | None = None
    epsilon: float = float(np.finfo(np.float64).eps)
    # Where the run stands.
    fresh: bool = True
    first_step: float = nan
    step: float = 0.0
    log_risk: float = nan
    kappa: float = nan
    top: float = -inf
    at_origin: bool = False
    # The gradient's last turn.
    falling: bool = True
    edge: float = inf
    edge_step: float = 0.0
    last_gradient: float = inf
    jump: float = 0.0
    # How long the risk has been level.
    level: float = nan
    due: float = inf
    stood: float = 0.0
    # The last saddle told.
    told_risk: float = nan
    lowest: float = inf
    noise: float = 0.0
    peak: float = -inf
    # The last refusal.
    refused_kappa: float = inf
    refused_risk: float = nan
    refused_step: float = 0.0
    rate: float = 0.0
    wait: float = 0.0
    waited: float = 0.0

    def scan(self, values: Mapping[str, Array], start: int, stop: int) -> Candidate | None:
        """Take in rows start … stop − 1, up to and including the first that is to be asked about.

        Whoever calls then says what came of it by `told` or `refused`.
        """
        columns = [values[name][start:stop].tolist() for name in SCALARS]
        for offset, record in enumerate(zip(*columns, strict=True)):
            seen = self._take(*record)
            if seen is not None:
                return Candidate(start + offset, int(record[0]), seen)
        return None

    def told(self) -> None:
        """The record just taken is a saddle, and was told."""
        self.told_risk = self.lowest = self.log_risk
        self.noise, self.peak = 0.0, -inf
        self.refused_kappa, self.refused_risk, self.wait = inf, nan, 0.0

    def refused(self, rate: float) -> None:
        """The record just taken is none; the fastest way out has this rate."""
        self.refused_kappa, self.refused_risk = self.kappa, self.log_risk
        self.refused_step, self.rate = self.step, rate
        self.wait, self.waited = max(1.0, 2.0 * self.wait), 0.0

    def disturb(self) -> None:
        """θ was moved by hand: how the gradient came here says nothing of what follows."""
        self.fresh = True

    # --- one record ---

    def _take(
        self, step: int, log_risk: float, gradient: float, alignment: float, rho: float
    ) -> str | None:
        """What was seen, when this record is to be asked about."""
        if not isfinite(log_risk) or isnan(gradient) or gradient == inf:
            return None
        gradient = max(gradient, -FLOOR)
        self.step, self.log_risk, self.kappa = float(step), log_risk, 2.0 * gradient - log_risk
        share = exp(min(gradient - log_risk, 700.0)) * rho if gradient > -FLOOR else 0.0
        self.top = max(self.top, gradient)
        seen = None
        if self.fresh:
            seen = self._begin(step, log_risk, gradient, share)
        gradient = max(gradient, self.top + log(ROUNDING * self.epsilon))
        turned = self._turned(step, gradient)
        seen = seen or self._origin(log_risk, alignment, share)
        if not self.at_origin:
            seen = seen or turned
        level = self._level(step, log_risk)
        # Near the origin directions may yet settle, unless θ shrinks.
        if not self.at_origin or alignment <= 0.0:
            seen = level or seen
        return seen if self._another(log_risk, gradient) and self._worth_asking(step) else None

    def _begin(self, step: int, log_risk: float, gradient: float, share: float) -> str | None:
        """The first record, or the first after a perturbation."""
        zero = self.log_risk_zero
        self.at_origin = (
            zero is not None and abs(log_risk - zero) <= AT_ZERO and share <= START_SHARE
        )
        self.fresh, self.falling, self.jump = False, True, 0.0
        self.edge, self.edge_step, self.last_gradient = gradient, float(step), gradient
        if isnan(self.first_step):
            self.first_step = float(step)
        # Near the origin a gradient is tiny and no rounding, unless it vanishes.
        exact = share == 0.0 if self.at_origin else share <= ROUNDING * self.epsilon
        return "no gradient but rounding here" if exact else None

    def _origin(self, log_risk: float, alignment: float, share: float) -> str | None:
        """Near the origin, once the directions have settled."""
        zero = self.log_risk_zero
        if not self.at_origin or zero is None:
            return None
        if abs(log_risk - zero) > AT_ZERO:
            self.at_origin = False
            return None
        due = alignment >= SETTLED or (share >= LAST_CALL and alignment > 0.0)
        if not due:
            return None
        return (
            f"near the origin, risk within {abs(log_risk - zero):.2g} of that at θ = 0 (log), "
            f"cos(θ, −∇L) = {alignment:.4f}"
        )

    def _turned(self, step: int, gradient: float) -> str | None:
        """‖∇𝓛‖ rises again after it fell."""
        rise, self.last_gradient = gradient - self.last_gradient, gradient
        if not self.falling:
            if gradient > self.edge:
                self.edge, self.edge_step = gradient, float(step)
            elif gradient < self.edge - TURN:
                self._edge(step, gradient, falling=True)
            return None
        if gradient < self.edge:
            self._edge(step, gradient, falling=True)
            return None
        self.jump = max(self.jump, rise)
        if gradient - self.jump <= self.edge + TURN:
            return None
        at = int(self.edge_step)
        self._edge(step, gradient, falling=False)
        return f"closest approach at step {at:,}"

    def _edge(self, step: int, gradient: float, *, falling: bool) -> None:
        """The gradient is at its lowest, or highest, since it turned."""
        self.falling, self.edge, self.edge_step, self.jump = falling, gradient, float(step), 0.0

    def _level(self, step: int, log_risk: float) -> str | None:
        """The risk has been level for half as long as all the time before, and each time that doubles."""
        ran = step - self.first_step
        if isnan(self.level) or abs(log_risk - self.level) > LEFT:
            self.level, self.due, self.stood = log_risk, 1.5 * ran, 0.0
            return None
        self.stood += 1.0
        if ran < self.due or self.stood < LONG:
            return None
        self.due = 2.0 * ran
        return f"the risk has been level for a third or more of the {int(ran):,} steps so far"

    # --- whether it is worth it ---

    def _another(self, log_risk: float, gradient: float) -> bool:
        """Whether a saddle here would be another one than was told last."""
        if isnan(self.told_risk):
            return True
        self.noise = max(self.noise, log_risk - self.lowest)
        self.lowest = min(self.lowest, log_risk)
        self.peak = max(self.peak, gradient)
        left = self.lowest < self.told_risk - max(LEFT, NOISES * self.noise)
        return left and gradient <= self.peak - BUMP

    def _worth_asking(self, step: int) -> bool:
        """Not again and again at the same place: from refusal to refusal the wait doubles."""
        self.waited += 1.0
        if isnan(self.refused_risk):
            return True
        old = step >= 2.0 * self.refused_step
        if self.rate > 0.0 and self.kappa > log(self.rate) + HOPELESS and not old:
            return False
        news = abs(self.log_risk - self.refused_risk) > NEWS
        return news or self.kappa <= self.refused_kappa - DEEPER or self.waited > self.wait

    # --- checkpoints ---

    def to_array(self) -> Array:
        """The state as one vector, its version first."""
        return np.array([VERSION, *(float(getattr(self, name)) for name in _KEPT)])

    def load(self, array: Array) -> None:
        """Take over such a vector; raises ValueError when it is none.

        A vector of the watch before this one, which began with a flag, is read for the risk it
        came by last, so that a saddle told then is not told again.
        """
        if array.ndim == 1 and array.size >= 12 and array[0] in (0.0, 1.0):
            self.told_risk = self.lowest = float(array[8])
            return
        if array.shape != (1 + len(_KEPT),) or array[0] != VERSION:
            raise ValueError("the saddle watch's state has the wrong length")
        for name, value in zip(_KEPT, array[1:].tolist(), strict=True):
            setattr(self, name, value != 0.0 if name in _FLAGS else value)


_KEPT = tuple(f.name for f in fields(SaddleWatch) if f.name not in ("log_risk_zero", "epsilon"))
_FLAGS = ("fresh", "at_origin", "falling")


def seen(
    watch: SaddleWatch,
    values: Mapping[str, Array],
    stop: int,
    theta: ThetaRows,
    confirm: Confirm | None,
    *,
    first: bool,
) -> list[Candidate]:
    """Saddles in the rows 0 … stop − 1 of a chunk; only up to the first where asked so."""
    found: list[Candidate] = []
    start = 0
    while start < stop:
        candidate = watch.scan(values, start, stop)
        if candidate is None:
            break
        start = candidate.row + 1
        answer = Answer(True, "candidate", 0.0)
        if confirm is not None:
            answer = confirm(theta[candidate.row], candidate.step)
        if not answer.saddle:
            watch.refused(answer.rate)
            continue
        watch.told()
        words = f"{answer.words} ({candidate.evidence})"
        found.append(Candidate(candidate.row, candidate.step, words))
        if first:
            break
    return found
