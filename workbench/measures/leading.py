"""The leading singular triple of a matrix, σ_1 u_1 v_1ᵀ, and what is left without it.

Small matrices (smaller side ≤ `SMALL`) by LAPACK's full decomposition; narrow ones (≤ `NARROW`) by a power
method on the whole stack, several times cheaper with the same digits; wide ones by Golub–Kahan–Lanczos
bidiagonalisation with full reorthogonalisation from a fixed start, at most `MOST_STEPS` steps: a layer of
1,024 × 4,096 takes tenths of a second, not the half minute of the full decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.measures.power_method import power_method

SMALL = 8
NARROW = 64
MOST_STEPS = 160
CHECK_EVERY = 8
RESIDUAL = 1e-13
"""‖Wᵀu − σv‖/σ at which the Lanczos steps end."""


@dataclass(frozen=True, eq=False)
class Leading:
    """σ_1 ≥ 0, u_1 (r) and v_1 (c), unit; `rest` = ‖W‖_F² − σ_1² and `frobenius` = ‖W‖_F of each matrix.

    The signs of u_1 and v_1 are arbitrary together. Where σ_1 is repeated they are one of many. A matrix
    that is 0 has σ_1 = 0 and no vectors (NaN); one that is not finite has NaN throughout.
    """

    size: Float[np.ndarray, " T"]
    left: Float[np.ndarray, "T r"]
    right: Float[np.ndarray, "T c"]
    rest: Float[np.ndarray, " T"]
    frobenius: Float[np.ndarray, " T"]

    @property
    def rank1(self) -> Float[np.ndarray, " T"]:
        """‖W‖_2/‖W‖_F, 1 exactly for a matrix of rank 1 (JT19 Theorem 2.2); NaN for 0."""
        with np.errstate(invalid="ignore"):
            return self.size / self.frobenius


def leading(w: Float[np.ndarray, "T r c"]) -> Leading:
    """The leading triples of a stack of matrices, each as if it were alone, to the last bit."""
    count, rows, columns = w.shape
    top = np.max(np.abs(w), axis=(1, 2), initial=0.0)
    some = (top > 0) & np.isfinite(top)
    # A slice where it can be: no copy.
    usable = slice(None) if some.all() else np.flatnonzero(some)
    size, rest, frobenius = (np.where(top == 0, 0.0, np.nan) for _ in range(3))
    left, right = np.full((count, rows), np.nan), np.full((count, columns), np.nan)
    if not some.any():
        return Leading(size, left, right, rest, frobenius)
    side = min(rows, columns)
    decompose = _full if side <= SMALL else _narrow if side <= NARROW else _wide
    scale = top[usable]
    sigma, left[usable], right[usable], remainder = decompose(w[usable] / scale[:, None, None])
    size[usable] = sigma * scale
    with np.errstate(over="ignore", under="ignore"):
        rest[usable] = remainder * scale * scale
    frobenius[usable] = np.sqrt(sigma * sigma + remainder) * scale
    return Leading(size, left, right, rest, frobenius)


Decomposed = tuple[
    Float[np.ndarray, " T"],
    Float[np.ndarray, "T r"],
    Float[np.ndarray, "T c"],
    Float[np.ndarray, " T"],
]
"""(σ_1, u_1, v_1, Σ_{j>1} σ_j²) of every matrix."""


def _full(w: Float[np.ndarray, "T r c"]) -> Decomposed:
    """From all singular values: the remainder loses no digits."""
    u, s, v = np.linalg.svd(w, full_matrices=False)
    return s[:, 0], u[:, :, 0], v[:, 0], np.sum(s[:, 1:] ** 2, axis=1)


def _narrow(w: Float[np.ndarray, "T r c"]) -> Decomposed:
    """By powers of WᵀW, and all singular values where these do not tell σ_1 from σ_2."""
    triples = power_method(w)
    found = triples.sigma, triples.left, triples.right, triples.rest
    others = np.flatnonzero(~triples.found)
    if len(others):
        for array, values in zip(found, _full(w[others]), strict=True):
            array[others] = values
    return found


def _wide(w: Float[np.ndarray, "T r c"]) -> Decomposed:
    """By Lanczos steps, one matrix after the other."""
    sigma, left, right, rest = zip(*(_lanczos(one) for one in w), strict=True)
    return np.array(sigma), np.array(left), np.array(right), np.array(rest)


def _lanczos(
    w: Float[np.ndarray, "r c"],
) -> tuple[float, Float[np.ndarray, " r"], Float[np.ndarray, " c"], float]:
    """(σ_1, u_1, v_1, ‖W − σuvᵀ‖_F²) by W V = U B with B upper bidiagonal."""
    rows, columns = w.shape
    most = min(MOST_STEPS, rows, columns)
    u, v = np.zeros((most, rows)), np.zeros((most, columns))
    alpha, beta = np.zeros(most), np.zeros(most)
    v[0] = np.random.default_rng(0).standard_normal(columns)
    v[0] /= np.linalg.norm(v[0])
    for k in range(most):
        # Twice is enough (Parlett): the second pass leaves orthogonality at rounding.
        left = w @ v[k] - (beta[k - 1] * u[k - 1] if k else 0.0)
        left -= (u[:k] @ left) @ u[:k]
        left -= (u[:k] @ left) @ u[:k]
        alpha[k] = np.linalg.norm(left)
        u[k] = left / alpha[k] if alpha[k] > 0 else 0.0
        right = w.T @ u[k] - alpha[k] * v[k]
        right -= (v[: k + 1] @ right) @ v[: k + 1]
        right -= (v[: k + 1] @ right) @ v[: k + 1]
        beta[k] = np.linalg.norm(right)
        last = k + 1 == most or beta[k] <= RESIDUAL * alpha[0] or alpha[k] <= RESIDUAL * alpha[0]
        if last or k % CHECK_EVERY == CHECK_EVERY - 1:
            small = np.diag(alpha[: k + 1]) + np.diag(beta[:k], 1)
            p, s, q = np.linalg.svd(small)
            if last or beta[k] * abs(p[-1, 0]) <= RESIDUAL * s[0]:
                break
        v[k + 1] = right / beta[k]
    one, other = p[:, 0] @ u[: k + 1], q[0] @ v[: k + 1]
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    sigma = float(one @ w @ other)
    rest = float(np.sum((w - sigma * np.outer(one, other)) ** 2))
    return sigma, one, other, rest
