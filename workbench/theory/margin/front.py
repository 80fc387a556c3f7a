"""The best multipliers of (P) at a point: for each δ the least ε, as a front (LL20 Definition C.6).

λ_i (q~_i − 1) ≤ δ caps every multiplier at δ/(q~_i − 1), so the least ε = ‖θ~ − Σλ_i h~_i‖ is a bounded
least squares. It is solved over the Gram matrix by projected Newton steps, each repeated with the
residual of the rows themselves until it falls no more; constraints far from active are brought in
only when their gradients would lower ε.

Certificate: for the unit residual u and any λ between the bounds,
‖θ~ − Σλ_i h~_i‖ ≥ u·θ~ − Σ_i c_i max(0, u·h~_i), with c_i the cap or ‖θ~‖²/(L q~_i), whichever is less
(at the least ε, Σλ_i L q~_i = θ~·Σλ_i h~_i ≤ ‖θ~‖²).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.numerics.bounded_proximal import proximal_step
from workbench.theory.numerics.bounded_quadratic import bounded_quadratic
from workbench.theory.numerics.outcome import End, Outcome, together
from workbench.theory.numerics.work import Work

TIES = 1e-13
"""Margins this close to the least, relatively, are active: their difference is rounding."""
FIRST = 2_500
"""Constraints taken in at first."""
PROXIMAL = 20
"""Most proximal steps for one δ."""
LARGE = 1e-3
"""ε over ‖θ~‖ above which the Gram matrix gives it to ten digits."""
SETTLED_NUMBERS = 200_000
"""Most numbers in the free rows for which a last least squares is solved."""
LEAST_TAU = 1e-10
"""The last proximal weight over the largest ‖h~_i‖²."""


@dataclass(frozen=True, eq=False)
class BestMultipliers:
    """Multipliers (M) ≥ 0 for one δ, with ε and the bound ε_low ≤ least ε. `delta` is what was asked
    for, up to `TIES`. `outcome`: iterations are proximal steps, the residual is ε − ε_low, and
    1e−6 ε + 1e−12 ‖θ~‖ is its tolerance."""

    multipliers: Float[Array, " M"]
    delta: float
    epsilon: float
    epsilon_low: float
    outcome: Outcome

    @property
    def active(self) -> Bool[Array, " M"]:
        """Constraints with a multiplier above 1e−12 of the largest."""
        return self.multipliers > 1e-12 * self.multipliers.max(initial=0.0)


@dataclass(frozen=True, eq=False)
class Front:
    """`delta` (D) rising, `epsilon` (D) falling, its lower bound (D), `multipliers` (D, M).

    `outcome`: of all δ together; cancelled where `work` left some out.
    """

    delta: Float[Array, " D"]
    epsilon: Float[Array, " D"]
    epsilon_low: Float[Array, " D"]
    multipliers: Float[Array, "D M"]
    outcome: Outcome

    @property
    def active(self) -> Bool[Array, "D M"]:
        """Constraints with a multiplier above 1e−12 of the row's largest."""
        return self.multipliers > 1e-12 * self.multipliers.max(axis=1, initial=0.0, keepdims=True)


class FrontSolver:
    """Bounded least squares over one point's constraints; remembers the last multipliers.

    `work` is counted; once it is spent `solve` ends, cancelled, with what it has.
    """

    def __init__(self, point: MarginPoint, work: Work | None = None) -> None:
        self.point = point
        self.work = work or Work()
        self.size = point.norm
        self.excess = np.where(point.q - 1.0 <= TIES, 0.0, point.q - 1.0)
        self.most = self.size**2 / (point.order * point.q)
        first = np.argsort(point.q, kind="stable")[:FIRST]
        self._take(np.sort(first))
        self.last = np.zeros(len(point.q))

    def solve(self, delta: float) -> BestMultipliers:
        """The least ε for δ (inf: no cap, only λ ≥ 0); starts from the last δ's multipliers.

        Raises:
            ValueError: δ is negative or not a number.
        """
        if not delta >= 0:
            raise ValueError(f"δ must be at least 0, got {delta}")
        with np.errstate(divide="ignore", invalid="ignore"):
            cap = np.where(self.excess > 0, delta / self.excess, np.inf)
        multipliers, steps = np.minimum(self.last, cap), 0
        while True:
            multipliers, more = self._within(multipliers, cap)
            steps += more
            rest = self.point.theta - multipliers @ self.point.rows
            self.work.add(3.0 * self.point.rows.size)
            found = self._certified(multipliers, rest, cap, delta, steps)
            if found.outcome.converged or len(self.taken) == len(multipliers):
                self.last = multipliers
                return found
            toward = self.point.rows @ rest
            toward[self.taken] = -np.inf
            useful = np.flatnonzero(
                (toward > 1e-9 * self.size * max(found.epsilon, 1e-300)) & (cap > 0)
            )
            stopped = self.work()
            if len(useful) == 0 or stopped:
                self.last = multipliers
                end = End.CANCELLED if stopped else found.outcome.end
                return replace(found, outcome=replace(found.outcome, end=end))
            order = np.argsort(-(toward * np.minimum(cap, self.most))[useful], kind="stable")
            self._take(np.sort(np.concatenate([self.taken, useful[order[:FIRST]]])))

    def _take(self, constraints: Int[Array, " k"]) -> None:
        """Work on these constraints."""
        self.taken = constraints
        every = len(constraints) == len(self.point.q)
        self.rows = self.point.rows if every else self.point.rows[constraints]
        self.linear = self.rows @ self.point.theta
        self.widest = float(np.max(np.sum(self.rows**2, axis=1)))
        # Where θ has fewer numbers than there are constraints, the Gram matrix is singular.
        small = self.rows.shape[0] <= self.rows.shape[1]
        self.gram = self.rows @ self.rows.T if small else None
        self.work.add(float(self.rows.size * (len(self.rows) if small else 1)))

    def _within(
        self, multipliers: Float[Array, " M"], cap: Float[Array, " M"]
    ) -> tuple[Float[Array, " M"], int]:
        """The least squares over the constraints taken: proximal steps until the certificate closes, and
        how many."""
        x, cap, most = multipliers[self.taken], cap[self.taken], self.most[self.taken]
        toward, epsilon = self._look(x)
        tau, lowest, steps = 1e-4, -np.inf, 0
        while steps < PROXIMAL and not self.work():
            # ε ε_low, with ε² = rest·θ~ − λ·toward.
            bound = epsilon**2 + x @ toward - np.minimum(cap, most) @ np.maximum(toward, 0.0)
            if epsilon**2 - bound <= 1e-9 * epsilon**2 + 1e-13 * self.size * epsilon:
                break
            moved = self._proximal(x, cap, toward, tau)
            steps += 1
            tau = max(0.1 * tau, LEAST_TAU)
            ahead, size = self._look(moved)
            # ε is flat where it is least: the bound may still rise when ε falls no more.
            if size > epsilon * (1.0 - 1e-10) and (
                size > epsilon * (1.0 + 1e-13) or bound <= lowest
            ):
                break
            x, toward, epsilon, lowest = moved, ahead, size, max(lowest, bound)
        found = np.zeros(len(multipliers))
        found[self.taken] = self._settled(x, cap)
        return found, steps

    def _look(self, x: Float[Array, " k"]) -> tuple[Float[Array, " k"], float]:
        """h~_i·(θ~ − Σλ_j h~_j) and ε: over the Gram matrix while ε is large, else over the rows."""
        if self.gram is not None:
            toward = self.linear - self.gram @ x
            self.work.add(float(self.gram.size))
            square = self.size**2 - x @ (self.linear + toward)
            if square > (LARGE * self.size) ** 2:
                return toward, float(np.sqrt(square))
        rest = self.point.theta - x @ self.rows
        self.work.add(2.0 * self.rows.size)
        return self.rows @ rest, float(np.linalg.norm(rest))

    def _settled(self, x: Float[Array, " k"], cap: Float[Array, " k"]) -> Float[Array, " k"]:
        """The residual made orthogonal to the free rows to rounding, where that is cheap and fits."""
        free = np.flatnonzero((x > 0) & (x < cap))
        if not 0 < len(free) * len(self.point.theta) <= SETTLED_NUMBERS:
            return x
        rest = self.point.theta - x @ self.rows
        moved = x.copy()
        self.work.add(10.0 * len(free) * len(rest) * min(len(free), len(rest)))
        moved[free] += np.linalg.lstsq(self.rows[free].T, rest)[0]
        fits = (moved >= 0).all() and (moved <= cap).all()
        closer = np.linalg.norm(self.point.theta - moved @ self.rows)
        return moved if fits and closer <= np.linalg.norm(rest) * (1.0 + 1e-13) else x

    def _proximal(
        self,
        x: Float[Array, " k"],
        cap: Float[Array, " k"],
        toward: Float[Array, " k"],
        tau: float,
    ) -> Float[Array, " k"]:
        """One proximal step: over the Gram matrix, or in the dual where θ has fewer numbers."""
        if self.gram is None:
            scaled = tau * self.widest
            step = proximal_step(self.rows, self.point.theta, cap, x, scaled, work=self.work)
            return step.solution
        low, none = -x, np.zeros_like(x)
        by = bounded_quadratic(
            self.gram, toward, low, cap - x, none, ridge=LEAST_TAU, work=self.work
        )
        return np.clip(x + by.solution, 0.0, cap)

    def _certified(
        self,
        multipliers: Float[Array, " M"],
        rest: Float[Array, " P"],
        cap: Float[Array, " M"],
        delta: float,
        steps: int,
    ) -> BestMultipliers:
        """ε and its lower bound."""
        epsilon = float(np.linalg.norm(rest))
        low = 0.0
        if epsilon > 0:
            u = rest / epsilon
            pull = np.maximum(self.point.rows @ u, 0.0)
            low = max(0.0, float(u @ self.point.theta - np.minimum(cap, self.most) @ pull))
        met = epsilon - low <= 1e-6 * epsilon + 1e-12 * self.size
        end = End.CONVERGED if met else End.STALLED
        return BestMultipliers(multipliers, delta, epsilon, low, Outcome(end, steps, epsilon - low))


def margin_front(
    point: MarginPoint,
    also: tuple[float, ...] = (),
    *,
    count: int = 10,
    work: Work | None = None,
    solver: FrontSolver | None = None,
) -> Front:
    """The front at δ = 0, at `count` values up to the δ beyond which ε falls no more, and at `also`.

    `solver`: one of the same point that has its Gram matrix already. What `work` leaves out is missing;
    the δ beyond which ε falls no more is there in any case, with its lower bound.
    """
    work = work or Work()
    solver = solver or FrontSolver(point, work)
    free = solver.solve(np.inf)
    last = float((free.multipliers * solver.excess).max(initial=0.0))
    deltas = {0.0, *(d for d in also if d >= 0)}
    if last > 0:
        deltas.update(float(d) for d in np.geomspace(1e-5 * last, last, count))
    # From the end down: fewer and fewer multipliers are free, and each starts from those before it.
    found = []
    for delta in sorted(deltas, reverse=True):
        if work():
            break
        found.append(solver.solve(delta))
    left_out = len(found) < len(deltas)
    found = found[::-1] or [replace(free, delta=last)]
    outcome = together(f.outcome for f in found)
    return Front(
        np.array([f.delta for f in found]),
        np.array([f.epsilon for f in found]),
        np.array([f.epsilon_low for f in found]),
        np.array([f.multipliers for f in found]).reshape(len(found), len(point.q)),
        replace(outcome, end=End.CANCELLED) if left_out else outcome,
    )
