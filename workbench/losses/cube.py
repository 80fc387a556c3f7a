"""q³ and its derivatives as logarithms: what the losses of a cubed margin, h(q³), share (LL20 Appendix A).

Their slope 3q²h'(q³) vanishes at q = 0, where (B3.2) of LL20 fails: a network that outputs 0 stands still.
b_f = 0 all the same, as (B3.3), (B3.4) and (B4) are about q > 0.
"""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float

POWER = 3.0
LOG_3 = float(np.log(3.0))


def cubed(q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """q³; ±∞ beyond a float."""
    with np.errstate(over="ignore", under="ignore"):
        return q * q * q


def log_derivative(q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """log 3q²; −∞ at 0."""
    with np.errstate(divide="ignore"):
        return LOG_3 + 2.0 * np.log(np.abs(q))


def root(value: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The real cube root."""
    return np.cbrt(value)
