"""A straight line through points, with the confidence interval of its slope."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress, t

from workbench.arrays import Array

LEVEL = 0.95
"""Of the interval: how often such intervals hold the slope where errors are independent and normal."""


@dataclass(frozen=True)
class Line:
    """y = intercept + slope·x by ordinary least squares.

    `low`, `high`: the slope's confidence interval, NaN from two points, which leave no error to judge by.
    `r_squared`: share of the variance of y that the line takes off, NaN where y does not vary.
    """

    slope: float
    low: float
    high: float
    intercept: float
    r_squared: float
    count: int

    def __call__(self, x: Array) -> Array:
        """The line's heights."""
        return self.intercept + self.slope * np.asarray(x, dtype=np.float64)


def line_through(x: Array, y: Array, level: float = LEVEL) -> Line | None:
    """Ordinary least squares through the points (n,), those that are not finite left out.

    None where fewer than two different x remain. The interval is the one of Student's t with n − 2 degrees
    of freedom.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    count = len(x)
    if count < 2 or x.min() == x.max():
        return None
    found = linregress(x, y)
    slope, error = float(found.slope), float(found.stderr)
    reach = math.nan
    if count > 2:
        reach = float(t.ppf(0.5 + level / 2.0, count - 2)) * error
    r_squared = float(found.rvalue) ** 2 if y.min() < y.max() else math.nan
    return Line(slope, slope - reach, slope + reach, float(found.intercept), r_squared, count)
