"""The largest eigenvalue of a symmetric matrix that is known by its products alone: Lanczos' method.

Full reorthogonalization, so that what the recurrence says of the residual holds up to rounding. The start is
drawn from a fixed seed: the same matrix gives the same bits, whatever was asked before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.numerics.outcome import End, Outcome

MOST_STEPS = 60
MOST_NUMBERS = 1 << 25
"""Of the basis: a wide matrix is given fewer steps."""
FEWEST_STEPS = 8
CHECK_EVERY = 3
EPSILON = float(np.finfo(np.float64).eps)

Product = Callable[[Float[Array, " P"]], Float[Array, " P"]]


@dataclass(frozen=True, eq=False)
class Largest:
    """`value` λ with ‖Av − λv‖ ≤ `residual` for a unit v: an eigenvalue lies that near, and the largest is no
    smaller than λ. `outcome`: its iterations are products with A."""

    value: float
    residual: float
    outcome: Outcome


def largest_eigenvalue(
    product: Product, size: int, *, relative: float = 1e-3, most: int = MOST_STEPS
) -> Largest:
    """The largest Ritz value, once its residual is at most `relative` of the largest in size.

    λ itself is nearer: off by about residual² over the gap to the next eigenvalue. Of a matrix with numbers
    that are not finite, NaN.
    """
    # No screen waits for it that measures no sharpness.
    from scipy.linalg import eigh_tridiagonal

    steps = min(most, size, max(FEWEST_STEPS, MOST_NUMBERS // size))
    basis = np.zeros((steps, size))
    start = np.random.default_rng(0).standard_normal(size)
    basis[0] = start / np.linalg.norm(start)
    diagonal, off = np.zeros(steps), np.zeros(steps)
    for k in range(steps):
        image = product(basis[k])
        if not np.isfinite(image).all():
            return Largest(np.nan, np.nan, Outcome(End.NOT_ACCEPTED, k + 1))
        diagonal[k] = image @ basis[k]
        # Twice is enough (Parlett): the second pass leaves orthogonality at rounding.
        for _ in range(2):
            image = image - (basis[: k + 1] @ image) @ basis[: k + 1]
        off[k] = np.linalg.norm(image)
        last = k + 1 == steps or not off[k] > EPSILON * np.abs(diagonal[: k + 1]).max()
        if last or k % CHECK_EVERY == CHECK_EVERY - 1:
            values, vectors = eigh_tridiagonal(diagonal[: k + 1], off[:k])
            top = float(np.abs(values).max())
            residual = float(off[k] * abs(vectors[-1, -1])) if k + 1 < size else 0.0
            if last or residual <= relative * top:
                break
        basis[k + 1] = image / off[k]
    end = End.CONVERGED if residual <= relative * top else End.OUT_OF_STEPS
    return Largest(
        float(values[-1]),
        residual + EPSILON * top * float(np.sqrt(size)),
        Outcome(end, k + 1, residual),
    )
