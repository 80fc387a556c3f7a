"""The watch for saddles record by record in plain Python, which the compiled scan is held against."""

from __future__ import annotations

from math import exp, inf, isfinite, isnan, log

from workbench.engine.programs.kernel.saddle_scan import (
    AT_ZERO,
    BUMP,
    DEEPER,
    FLOOR,
    HOPELESS,
    LAST_CALL,
    LEFT,
    LONG,
    NEWS,
    NOISES,
    ROUNDING,
    SETTLED,
    START_SHARE,
    TURN,
)
from workbench.engine.saddle_watch import SCALARS, Candidate, SaddleWatch


class SlowWatch(SaddleWatch):
    """The same state, `scan` record by record."""

    def scan(self, values, start, stop):
        columns = [values[name][start:stop].tolist() for name in SCALARS]
        for offset, record in enumerate(zip(*columns, strict=True)):
            seen = self._take(*record)
            if seen is not None:
                return Candidate(start + offset, int(record[0]), seen)
        return None

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
