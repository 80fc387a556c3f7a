"""Means over independent seeds, with their interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from workbench.arrays import Float
from workbench.study.line import LEVEL


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and its interval at 95 % by Student's t."""

    mean: float
    low: float
    high: float


def over_seeds(values: Float[np.ndarray, " S"]) -> Interval:
    """The mean of independent seeds' values; no interval from fewer than two, or where one is not known."""
    mean = float(np.mean(values)) if len(values) else float("nan")
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    reach = float(t.ppf(0.5 + LEVEL / 2.0, len(values) - 1) * np.std(values, ddof=1))
    reach /= np.sqrt(len(values))
    return Interval(mean, mean - reach, mean + reach)
