"""What a quantity that falls like a + c h^{−p} goes to, with an error: the limit from two depths.

Three values a half tenfold of h apart fix a, c and p; a tenfold of h earlier three others do. Terms that
a + c h^{−p} leaves out fall with h, so the limit is off by about what it changed between the depths, and by
what errors of the values are enlarged to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

HALF_TENFOLDS = (-2.0, -1.5, -1.0, -0.5, 0.0)
"""log10 of the heights over the last one: the first three are the shallow ones, the last three the deep."""
POWERS = (0.01, 8.0)
"""Between these p is sought."""


@dataclass(frozen=True)
class Extrapolated:
    """The `limit` ± `error`, NaN where no power fits; `power` p, and the `last` value."""

    limit: float
    error: float
    power: float
    last: float

    @property
    def off_zero(self) -> float:
        """|limit| over its error: at most 1 where the limit is 0 within it."""
        return abs(self.limit) / self.error if self.error > 0 else float("nan")

    @property
    def blurred(self) -> float:
        """The error over the last value: at most a half where the limit says more than that does."""
        return self.error / self.last if self.last > 0 else float("nan")


def extrapolated(
    heights: Sequence[float], values: Sequence[float], noise: float = 0.0
) -> Extrapolated:
    """From five values at heights about `HALF_TENFOLDS` apart, each known to `noise`."""
    limit, power, enlarged = _limit(heights[2:], values[2:])
    shallow = _limit(heights[:3], values[:3])[0]
    return Extrapolated(limit, abs(limit - shallow) + enlarged * noise, power, float(values[-1]))


def _limit(h: Sequence[float], v: Sequence[float]) -> tuple[float, float, float]:
    """a and p of a + c h^{−p} through three points, and how much a error of the values is enlarged; NaN
    where they do not fall, or fall faster and faster."""
    nothing = (float("nan"),) * 3
    if not (np.isfinite(v).all() and v[0] > v[1] > v[2] and h[0] < h[1] < h[2]):
        return nothing
    # In units of the last height.
    first, second = np.log(h[0] / h[2]), np.log(h[1] / h[2])
    ratio = (v[0] - v[1]) / (v[1] - v[2])

    def off(p: float) -> float:
        """Zero where the power's falls are in the values' proportion."""
        return float((np.exp(-p * first) - np.exp(-p * second)) / np.expm1(-p * second) - ratio)

    low, high = POWERS
    if not off(low) < 0 < off(high):
        return nothing
    p = float(brentq(off, low, high, xtol=1e-13))
    limit = v[2] - (v[1] - v[2]) / np.expm1(-p * second)
    shrink = float(np.exp(p * second))
    return float(limit), p, ((1.0 + shrink) / (1.0 - shrink)) ** 2
