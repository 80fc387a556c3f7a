"""A share of members with its binomial confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import binomtest

LEVEL = 0.95


@dataclass(frozen=True)
class Share:
    """`count` of `total` members; `low` and `high`: Wilson's interval at 95 %, NaN of no members."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """count/total, NaN of no members."""
        return self.count / self.total if self.total else math.nan


def share_of(count: int, total: int, level: float = LEVEL) -> Share:
    """The share with Wilson's score interval, which is right near 0 and 1 too (Wilson 1927).

    Raises:
        ValueError: count is not within 0 and total.
    """
    if not 0 <= count <= total:
        raise ValueError(f"a share of {count} in {total}")
    if total == 0:
        return Share(0, 0, math.nan, math.nan)
    interval = binomtest(count, total).proportion_ci(level, method="wilson")
    return Share(count, total, float(interval.low), float(interval.high))
