"""Matrix times vector as if computed in twice the working precision.

Error-free products by Veltkamp's splitting and sums by Knuth's two-sum (Ogita, Rump, Oishi 2005,
Accurate sum and dot product, algorithm 5.3), summed in a tree: the result's error is about
ε |a·x| + (log₂ d + 2) ε² Σ|a_j x_j| instead of d ε Σ|a_j x_j|.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array

BLOCK = 1_000_000
"""Most products that are held at once."""

_SPLITTER = 2.0**27 + 1.0


def accurate_matvec(
    a: Float[Array, "n d"], x: Float[Array, " d"], start: Float[Array, " n"] | None = None
) -> Float[Array, " n"]:
    """`start` + a x. Entries must lie within 1e±140, as products are split."""
    n, d = a.shape
    found = np.zeros(n) if start is None else start.astype(np.float64)
    if d == 0:
        return found
    step = max(1, BLOCK // d)
    for low in range(0, n, step):
        rows = a[low : low + step]
        found[low : low + step] = _block(rows, x, found[low : low + step])
    return found


def _block(
    a: Float[Array, "n d"], x: Float[Array, " d"], start: Float[Array, " n"]
) -> Float[Array, " n"]:
    """One block: the products with their errors, then a tree of two-sums."""
    product = a * x
    a_high, x_high = _high(a), _high(x)
    a_low, x_low = a - a_high, x - x_high
    error = ((a_high * x_high - product) + a_high * x_low + a_low * x_high) + a_low * x_low
    total = np.concatenate([product, start[:, None]], axis=1)
    small = error.sum(axis=1)
    while total.shape[1] > 1:
        if total.shape[1] % 2:
            total = np.concatenate([total, np.zeros((len(total), 1))], axis=1)
        left, right = total[:, ::2], total[:, 1::2]
        total = left + right
        part = total - left
        small += ((left - (total - part)) + (right - part)).sum(axis=1)
    return total[:, 0] + small


def _high(a: Float[Array, "..."]) -> Float[Array, "..."]:
    """The upper 26 bits of every number."""
    big = _SPLITTER * a
    return big - (big - a)
