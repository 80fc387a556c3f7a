"""Least squares against the normal equations, and intervals against what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.study.line import line_through
from workbench.study.shares import share_of


def test_the_line_solves_the_normal_equations():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(40)
    y = 3.0 - 2.0 * x + 0.3 * rng.standard_normal(40)
    line = line_through(x, y)
    intercept, slope = np.linalg.lstsq(np.stack([np.ones(40), x], axis=1), y, rcond=None)[0]
    assert line.slope == pytest.approx(slope, rel=1e-12)
    assert line.intercept == pytest.approx(intercept, rel=1e-12)
    assert line(np.array([0.0, 1.0])) == pytest.approx([intercept, intercept + slope])
    assert line.count == 40
    residual = y - line(x)
    assert line.r_squared == pytest.approx(1 - residual.var() / y.var())


def test_nineteen_in_twenty_intervals_hold_the_slope():
    rng = np.random.default_rng(1)
    x = np.log([1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
    held = 0
    for _ in range(1000):
        line = line_through(x, 1.0 - x + rng.standard_normal(5))
        held += line.low <= -1.0 <= line.high
    # 950 in the mean, deviation 6.9.
    assert 920 <= held <= 980


def test_few_points():
    two = line_through(np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    assert two.slope == pytest.approx(2.0)
    assert math.isnan(two.low)
    assert math.isnan(two.high)
    assert line_through(np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0])) is None
    assert line_through(np.array([1.0]), np.array([1.0])) is None
    with_gaps = line_through(np.array([0, 1, np.nan, 3]), np.array([0, 2, 5, np.inf]))
    assert (with_gaps.count, with_gaps.slope) == (2, 2.0)


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 10), (10, 10), (1, 1000)])
def test_a_share_has_wilsons_interval(count, total):
    found = share_of(count, total)
    z, p = 1.959963984540054, count / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total**2))
    assert found.low == pytest.approx(max(0.0, middle - reach), abs=1e-12)
    assert found.high == pytest.approx(min(1.0, middle + reach), abs=1e-12)
    assert found.value == p


def test_a_share_of_nobody():
    assert math.isnan(share_of(0, 0).value)
    with pytest.raises(ValueError, match="3 in 2"):
        share_of(3, 2)
