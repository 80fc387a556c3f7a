"""Least-distance programming: min ½‖w‖² s.t. z_i·w ≥ h_i, to the last digits.

A first support set from non-negative least squares (Lawson, Hanson 1974, ch. 23), then the dual
active-set method (Goldfarb, Idnani 1983) with the support's equations refined by residuals in twice the
working precision (Björck 1967). An infeasible system ends with a combination of rows that proves it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from workbench.arrays import Array
from workbench.theory.numerics.bounded_quadratic import bounded_quadratic
from workbench.theory.numerics.compensated import accurate_matvec
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import STEP, Work

NNLS_WIDE = 300
"""Up to this d the first support comes from NNLS."""
GRAM_ROWS = 4_000
"""Above, and up to this n, it comes from the Gram matrix; beyond both the search starts from nothing."""
ACCURATE_NUMBERS = 4_000_000
"""Up to this n·d residuals are computed in twice the working precision, above in the working one."""
LARGEST = 1e150
"""What no entry of z and w exceeds: their squares are floats then."""
DEPENDENT = 1e-13
"""A row is in the span of others when its rest, over its norm, is at most this."""


@dataclass(frozen=True, eq=False)
class LeastDistance:
    """`feasible`: then w (d) with multipliers λ ≥ 0 (n), w = Σλ_i z_i, zero off `support`; else
    `multipliers` is a certificate λ ≥ 0 with Σλ_i z_i = 0 (up to the residual) and Σλ_i h_i > 0.
    `error`: what one more correction would move w by, over ‖w‖. `outcome`: iterations are active-set
    steps, the residual is ‖w − Σλ_i z_i‖, or ‖Σλ_i z_i‖; converged where the steps ended by themselves."""

    w: Float[Array, " d"]
    multipliers: Float[Array, " n"]
    support: Int[Array, " k"]
    feasible: bool
    error: float
    outcome: Outcome


def least_distance(
    z: Float[Array, "n d"], h: Float[Array, " n"], *, work: Work | None = None
) -> LeastDistance:
    """min ½‖w‖² s.t. z_i·w ≥ h_i; in `work` its steps are counted, of NNLS one for every row that it finds.

    Raises:
        ValueError: no rows, numbers that are not finite, no h_i > 0 (then w = 0), or numbers
            of z or w beyond LARGEST.
    """
    if len(z) == 0 or not (np.isfinite(z).all() and np.isfinite(h).all()):
        raise ValueError("least-distance programming needs one or more finite rows")
    if not (h > 0).any():
        raise ValueError("least-distance programming needs a positive level, else w = 0")
    if (unreachable := np.flatnonzero(~z.any(axis=1) & (h > 0))).size:
        return _never(z, int(unreachable[0]))
    rows, row_power = scaled_rows(z)
    # Levels stay in proportion to their rows, the largest in [½, 1): as mantissas and powers none overflows.
    mantissa, power = np.frexp(h)
    power = np.where(h == 0, -(1 << 20), power + row_power)
    top = -int(power.max())
    search = _Search(rows, np.ldexp(mantissa, np.maximum(power + top, -2_000)))
    found = search.run()
    if work is not None:
        steps = 1.0 + (found.outcome.iterations or 0)
        each = z.size + len(found.support) * z.shape[1] + STEP
        work.add(search.begun.done + steps * each)
    if found.feasible:
        # Rows and w are squared: half of the range of floats is theirs.
        with np.errstate(over="ignore"):
            w, multipliers = np.ldexp(found.w, -top), np.ldexp(found.multipliers, row_power - top)
        largest = max(float(np.abs(values).max()) for values in (z, w))
        if not (largest < LARGEST and np.isfinite(multipliers).all()):
            raise ValueError(f"rows from {_span(z)} long ask for numbers beyond {LARGEST:.0e}")
        return LeastDistance(
            w,
            multipliers,
            found.support,
            True,
            found.error,
            replace(found.outcome, residual=float(np.ldexp(found.outcome.residual, -top))),
        )
    return replace(found, multipliers=np.ldexp(found.multipliers, row_power))


def scaled_rows(z: Float[Array, "n d"]) -> tuple[Float[Array, "n d"], Int[Array, " n"]]:
    """Each row times a power of two that brings its largest entry into [½, 1), and those powers.

    No digit is lost, and rows of any length have a norm: that of a row below 1e−154 would be 0 as it is.
    """
    power = -np.frexp(np.abs(z).max(axis=1, initial=0.0))[1]
    # A power above 1023 is no float: short rows take two factors.
    half = power // 2
    return np.ldexp(np.ldexp(z, half[:, None]), (power - half)[:, None]), power


def _span(z: Float[Array, "n d"]) -> str:
    """The shortest and the longest row, by their largest entries."""
    lengths = np.abs(z).max(axis=1)
    return f"{lengths.min():.0e} to {lengths.max():.0e}"


def _never(z: Float[Array, "n d"], row: int) -> LeastDistance:
    """A row of zeros has no w that lifts it above 0: by itself it proves the system infeasible."""
    proof = np.zeros(len(z))
    proof[row] = 1.0
    nothing = np.zeros(z.shape[1])
    outcome = Outcome(End.CONVERGED, 0, 0.0)
    return LeastDistance(nothing, proof, np.array([row]), False, np.inf, outcome)


class _Search:
    """The active-set method on scaled rows."""

    def __init__(self, z: Float[Array, "n d"], h: Float[Array, " n"]) -> None:
        self.z, self.h = z, h
        self.norm = np.linalg.norm(z, axis=1)
        self.residual = accurate_matvec if z.size <= ACCURATE_NUMBERS else _plain_matvec
        self.most = 10 * sum(z.shape) + 100
        self.support: list[int] = []
        self.begun = Work()
        self.w = np.zeros(z.shape[1])
        self.multipliers = np.zeros(0)
        self.q = np.zeros((z.shape[1], 0))
        self.r = np.zeros((0, 0))

    def run(self) -> LeastDistance:
        """Add the most violated row until none is; then the result."""
        self._begin(self._first_support())
        steps = 0
        while steps < self.most:
            worst = self._most_violated()
            if worst is None:
                return self._result(End.CONVERGED, steps)
            proof, taken = self._add(worst)
            steps += taken
            if proof is not None:
                return self._infeasible(proof, steps)
            self._refine()
            # Rounding may leave a multiplier of the refined equations just below zero.
            while len(self.multipliers) and self.multipliers.min() < 0:
                self._drop(int(np.argmin(self.multipliers)))
                self._refine()
                steps += 1
        return self._result(End.OUT_OF_STEPS, steps)

    def _first_support(self) -> list[int]:
        """Rows with a positive dual in NNLS, or in the dual over the Gram matrix."""
        n, d = self.z.shape
        if d <= NNLS_WIDE:
            system = np.vstack([self.z.T, self.h])
            try:
                dual = nnls(system, np.append(np.zeros(d), 1.0), maxiter=20 * (n + d))[0]
            except RuntimeError:
                return []
        elif n > GRAM_ROWS:
            return []
        else:
            bounds = np.zeros(n), np.full(n, np.inf)
            gram, begun = self.z @ self.z.T, self.begun
            dual = bounded_quadratic(gram, self.h, *bounds, bounds[0], work=begun).solution
        chosen = np.flatnonzero(dual > 1e-10 * dual.max(initial=0.0))
        self.begun.add(float((len(chosen) + 1) * self.z.size))
        return [int(i) for i in chosen[np.argsort(-dual[chosen])]]

    def _begin(self, rows: list[int]) -> None:
        """The equations of the independent rows among them, less those with a negative multiplier."""
        if not rows:
            return
        self.support = rows[: self.z.shape[1]]
        self._factor()
        while True:
            diagonal = np.abs(np.diagonal(self.r))
            weak = np.flatnonzero(diagonal <= 1e-12 * diagonal.max())
            if not len(weak):
                break
            del self.support[int(weak[0])]
            self._factor()
        self._refine()
        while len(self.multipliers) and self.multipliers.min() < 0:
            kept = self.multipliers > 0
            self.support = [row for row, keep in zip(self.support, kept, strict=True) if keep]
            self._factor()
            self._refine()

    def _factor(self) -> None:
        self.q, self.r = np.linalg.qr(self.z[self.support].T)

    def _drop(self, position: int) -> None:
        del self.support[position]
        self.multipliers = np.delete(self.multipliers, position)
        self._factor()

    def _refine(self) -> None:
        """w and λ of the support's equations z_S w = h_S, w = z_Sᵀλ, with accurate residuals."""
        if not self.support:
            self.w, self.multipliers = np.zeros(self.z.shape[1]), np.zeros(0)
            return
        y = solve_triangular(self.r, self.h[self.support], trans=1)
        self.w, self.multipliers = self.q @ y, solve_triangular(self.r, y)
        for _ in range(6):
            change, change_multipliers = self._correction()
            self.w = self.w + change
            self.multipliers = self.multipliers + change_multipliers
            if np.linalg.norm(change) <= 1e-16 * np.linalg.norm(self.w):
                break

    def _correction(self) -> tuple[Float[Array, " d"], Float[Array, " k"]]:
        """The change of (w, λ) that the equations' residuals ask for."""
        z, h = self.z[self.support], self.h[self.support]
        f = self.residual(np.ascontiguousarray(z.T), self.multipliers, -self.w)
        y = solve_triangular(self.r, -self.residual(z, self.w, -h), trans=1)
        inside = self.q.T @ f
        change = f - self.q @ inside + self.q @ y
        return change, solve_triangular(self.r, y - inside)

    def _short(self) -> Float[Array, " n"]:
        """h_i − z_i·w over ‖z_i‖ max(‖w‖, h/‖z‖); accurate where it is small; ≤ 0 on the support."""
        size = float(np.linalg.norm(self.w))
        short = self.h - self.z @ self.w
        weight = np.maximum(self.norm * size, np.abs(self.h))
        weight[weight == 0] = 1.0
        close = np.flatnonzero(np.abs(short) <= 1e-8 * weight)
        short[close] = -self.residual(self.z[close], self.w, -self.h[close])
        short[self.support] = 0.0
        return np.asarray(short / weight)

    def _most_violated(self) -> int | None:
        short = self._short()
        worst = int(np.argmax(short))
        return worst if short[worst] > 4e-16 else None

    def _add(self, row: int) -> tuple[Float[Array, " n"] | None, int]:
        """Bring one violated row into the support; a proof of infeasibility where that cannot be."""
        normal, gained, taken = self.z[row], 0.0, 0
        while True:
            taken += 1
            inside = self.q.T @ normal
            across = normal - self.q @ inside
            # Once more: the first projection leaves rounding of the size of the row.
            again = self.q.T @ across
            across -= self.q @ again
            back = solve_triangular(self.r, inside + again) if self.support else np.zeros(0)
            blocked = np.flatnonzero(back > 0)
            ratio = self.multipliers[blocked] / back[blocked]
            partial = float(ratio.min()) if len(blocked) else np.inf
            height = float(across @ across)
            dependent = height <= (DEPENDENT * self.norm[row]) ** 2
            short = float(self.h[row] - normal @ self.w)
            full = np.inf if dependent else max(short, 0.0) / height
            if dependent and not len(blocked):
                proof = np.zeros(len(self.z))
                proof[self.support] = -back
                proof[row] = 1.0
                return np.maximum(proof, 0.0), taken
            step = min(partial, full)
            gained += step
            if not dependent:
                self.w = self.w + step * across
            self.multipliers = self.multipliers - step * back
            if full <= partial:
                self.support.append(row)
                self.multipliers = np.append(self.multipliers, gained)
                self._factor()
                return None, taken
            self._drop(int(blocked[np.argmin(ratio)]))

    def _infeasible(self, proof: Float[Array, " n"], steps: int) -> LeastDistance:
        """The proof, its weights summing to 1; sharpened to the rows' null vector if that is ≥ 0."""
        proof = proof / proof.sum()
        support = np.flatnonzero(proof)
        columns = np.ascontiguousarray(self.z[support].T)
        rest = columns @ proof[support]
        null = np.linalg.svd(columns)[2][-1]
        if abs(null.sum()) > 0 and (null / null.sum() >= 0).all():
            null = null / null.sum()
            sharper = columns @ null
            if np.linalg.norm(sharper) < np.linalg.norm(rest):
                proof[support], rest = null, sharper
        return LeastDistance(
            np.zeros(self.z.shape[1]),
            proof,
            support,
            False,
            np.inf,
            Outcome(End.CONVERGED, steps, float(np.linalg.norm(rest))),
        )

    def _result(self, end: End, steps: int) -> LeastDistance:
        multipliers = np.zeros(len(self.z))
        multipliers[self.support] = self.multipliers
        z = np.ascontiguousarray(self.z[self.support].T)
        rest = self.residual(z, self.multipliers, -self.w)
        error = np.linalg.norm(self._correction()[0]) / np.linalg.norm(self.w)
        return LeastDistance(
            self.w,
            multipliers,
            np.array(sorted(self.support), dtype=np.int64),
            True,
            float(error),
            Outcome(end, steps, float(np.linalg.norm(rest))),
        )


def _plain_matvec(
    a: Float[Array, "n d"], x: Float[Array, " d"], start: Float[Array, " n"]
) -> Float[Array, " n"]:
    """`start` + a x in the working precision."""
    return start + a @ x
