"""The leading singular triple of many matrices at once, by powers of G = WᵀW.

G is squared until its power M is nearly of rank 1. With the eigenvalues p_i of M over its trace, Σp_i² =
tr M²/(tr M)²; at `NEARLY_ONE` and more, p_1 ≥ 0.98 and the others together are at most 0.02. In M² they are
at most 4e-4, while some diagonal entry along v_1 is 0.96/c or more: up to c = 64 the column of the largest
one leans to v_1, and no other direction can pass for it. What is wrong with that column falls to 4e-4 by
each product with M², and below rounding after `POWERS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Bool, Float

SQUARINGS = 10
"""Of G, at most: those with σ_2/σ_1 above about 0.995 are left to others."""
NEARLY_ONE = 0.98
POWERS = 5
RESIDUAL = 2e-15
"""‖Wᵀu − σv‖/σ up to which a triple is taken: what rounding leaves."""


@dataclass(frozen=True, eq=False)
class Triples:
    """`sigma`, unit `left` and `right` with σu = Wv, and `rest` = ‖W − σuvᵀ‖_F² of every matrix.

    `found`: where the triple is the leading one, to rounding; elsewhere nothing is said.
    """

    found: Bool[np.ndarray, " T"]
    sigma: Float[np.ndarray, " T"]
    left: Float[np.ndarray, "T r"]
    right: Float[np.ndarray, "T c"]
    rest: Float[np.ndarray, " T"]


def power_method(w: Float[np.ndarray, "T r c"]) -> Triples:
    """The triples of matrices whose largest entry is ±1, each as if it were alone, to the last bit."""
    if w.shape[1] < w.shape[2]:
        turned = power_method(np.swapaxes(w, 1, 2))
        return Triples(turned.found, turned.sigma, turned.right, turned.left, turned.rest)
    w = np.ascontiguousarray(w)
    right = _direction(np.swapaxes(w, 1, 2) @ w)
    for _ in range(2):
        # The rounding of G is taken back by W itself.
        right = _unit(_transposed(w, _times(w, right)))
    image = _times(w, right)
    sigma = _norm(image)
    left = image / sigma[:, None]
    wrong = _norm(_transposed(w, left) - sigma[:, None] * right)
    # One array for all of it: its memory costs more than its arithmetic.
    gone = image[:, :, None] * right[:, None, :]
    np.subtract(w, gone, out=gone)
    gone *= gone
    rest = np.sum(gone.reshape(len(w), -1), axis=1)
    # NaN, where there was no direction, is not small.
    return Triples(wrong <= RESIDUAL * sigma, sigma, left, right, rest)


def _direction(power: Float[np.ndarray, "T c c"]) -> Float[np.ndarray, "T c"]:
    """v_1, nearly, of every G; NaN where `SQUARINGS` do not tell it from the next."""
    v = np.full(power.shape[:2], np.nan)
    left = np.arange(len(power))
    power /= _trace(power)[:, None, None]
    spare = np.empty_like(power)
    for _ in range(SQUARINGS):
        squared = np.matmul(power, power, out=spare[: len(power)])
        power, spare = squared, power
        total = _trace(power)
        ready = total >= NEARLY_ONE
        if ready.any():
            v[left[ready]] = _leaning(power[ready])
            left, power, total = left[~ready], power[~ready], total[~ready]
        if not len(left):
            break
        # A trace of 1 again: no power overflows, and none vanishes.
        power /= total[:, None, None]
    return v


def _leaning(power: Float[np.ndarray, "T c c"]) -> Float[np.ndarray, "T c"]:
    """v_1 of matrices that are nearly of rank 1."""
    largest = np.argmax(np.diagonal(power, axis1=1, axis2=2), axis=1)
    v = power[np.arange(len(power)), largest]
    for _ in range(POWERS):
        v = _unit(_times(power, v))
    return v


def _trace(m: Float[np.ndarray, "T c c"]) -> Float[np.ndarray, " T"]:
    return np.asarray(np.sum(np.diagonal(m, axis1=1, axis2=2), axis=1))


def _times(m: Float[np.ndarray, "T r c"], v: Float[np.ndarray, "T c"]) -> Float[np.ndarray, "T r"]:
    return (m @ v[:, :, None])[:, :, 0]


def _transposed(
    m: Float[np.ndarray, "T r c"], u: Float[np.ndarray, "T r"]
) -> Float[np.ndarray, "T c"]:
    return (u[:, None, :] @ m)[:, 0]


def _norm(v: Float[np.ndarray, "T c"]) -> Float[np.ndarray, " T"]:
    return np.sqrt(np.sum(v * v, axis=1))


def _unit(v: Float[np.ndarray, "T c"]) -> Float[np.ndarray, "T c"]:
    return v / _norm(v)[:, None]
