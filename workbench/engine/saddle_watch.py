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
from dataclasses import dataclass
from math import inf, nan
from typing import Protocol

import numpy as np

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import make_ready
from workbench.engine.programs.kernel.saddle_scan import (
    APPROACH,
    FIELDS,
    NO_GRADIENT,
    NOTHING,
    ORIGIN,
    scan,
)

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
        columns = [np.asarray(values[name][start:stop], dtype=np.float64) for name in SCALARS]
        state = self._state()
        zero = nan if self.log_risk_zero is None else self.log_risk_zero
        make_ready((scan,))
        taken, seen, at = scan(state, *map(np.ascontiguousarray, columns), zero, self.epsilon)
        self._put(state)
        if seen == NOTHING:
            return None
        row = start + int(taken) - 1
        alignment, step = float(values["alignment"][row]), int(values["step"][row])
        return Candidate(row, step, self._words(int(seen), alignment, at))

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

    def _words(self, seen: int, alignment: float, at: float) -> str:
        """What was seen at the record just taken."""
        if seen == NO_GRADIENT:
            return "no gradient but rounding here"
        if seen == ORIGIN and self.log_risk_zero is not None:
            return (
                f"near the origin, risk within {abs(self.log_risk - self.log_risk_zero):.2g} of that at "
                f"θ = 0 (log), cos(θ, −∇L) = {alignment:.4f}"
            )
        if seen == APPROACH:
            return f"closest approach at step {int(at):,}"
        ran = int(self.step - self.first_step)
        return f"the risk has been level for a third or more of the {ran:,} steps so far"

    def _state(self) -> Array:
        """The fields that change, in their order."""
        return np.array([float(getattr(self, name)) for name in FIELDS])

    def _put(self, state: Array) -> None:
        for name, value in zip(FIELDS, state.tolist(), strict=True):
            setattr(self, name, value != 0.0 if name in _FLAGS else value)

    # --- checkpoints ---

    def to_array(self) -> Array:
        """The state as one vector, its version first."""
        return np.concatenate([[VERSION], self._state()])

    def load(self, array: Array) -> None:
        """Take over such a vector; raises ValueError when it is none.

        A vector of the watch before this one, which began with a flag, is read for the risk it
        came by last, so that a saddle told then is not told again.
        """
        if array.ndim == 1 and array.size >= 12 and array[0] in (0.0, 1.0):
            self.told_risk = self.lowest = float(array[8])
            return
        if array.shape != (1 + len(FIELDS),) or array[0] != VERSION:
            raise ValueError("the saddle watch's state has the wrong length")
        self._put(array[1:])


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
