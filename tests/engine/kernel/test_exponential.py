"""e^x of compiled code, many at once in a loop compiled as the kernels are, against exact values."""

from __future__ import annotations

import math

import mpmath as mp
import numba
import numpy as np
import pytest

from workbench.engine.programs.kernel.compiled import OPTIONS
from workbench.engine.programs.kernel.exponential import exponential


@numba.njit(**OPTIONS)
def many(x, into):
    for i in range(x.size):
        into[i] = exponential(x[i])


@numba.njit(**OPTIONS)
def summed(x):
    total = 0.0
    for i in range(x.size):
        total += exponential(x[i] - 1.0 + 0.25)
    return total


def found(x):
    x = np.asarray(x, dtype=float)
    into = np.full(x.size, -1.0)
    many(x, into)
    return into


def exact(value):
    with mp.workdps(40):
        return mp.exp(mp.mpf(float(value)))


def units_apart(value, wanted):
    """|value − wanted| in units of the last place of a float of that size."""
    return float(abs(mp.mpf(float(value)) - wanted) / math.ulp(float(wanted)))


@pytest.mark.parametrize(
    ("low", "high"), [(-1e-9, 1e-9), (-1.0, 1.0), (-40.0, 5.0), (-708.0, 709.7), (-746.0, -707.0)]
)
def test_within_an_ulp(low, high):
    x = np.random.default_rng(0).uniform(low, high, 4000)
    assert max(units_apart(v, exact(p)) for v, p in zip(found(x), x, strict=True)) < 1.0


def test_where_the_whole_part_of_ln_2_changes():
    """r is largest at the halves of ln 2: there a poor reduction would show."""
    near = (np.arange(-1070, 1023) + 0.5) * np.log(2.0)
    x = np.concatenate([near, np.nextafter(near, -np.inf), np.nextafter(near, np.inf)])
    assert max(units_apart(v, exact(p)) for v, p in zip(found(x), x, strict=True)) < 1.0


def test_edges():
    x = [-np.inf, -1e300, -746.0, -745.2, 709.9, 1e300, np.inf, 0.0, -0.0, 5e-324]
    wanted = [0.0, 0.0, 0.0, 0.0, np.inf, np.inf, np.inf, 1.0, 1.0, 1.0]
    assert found(x).tolist() == wanted
    assert found([-745.0, math.log(1.7976931348623157e308)]) == pytest.approx(
        [5e-324, 1.7976931348623157e308], rel=1e-12
    )
    assert np.isnan(found([0.0, np.nan, 1.0])).tolist() == [False, True, False]


@pytest.mark.parametrize("n", [1, 3, 8, 23, 100])
def test_a_number_is_the_same_wherever_it_stands(n):
    """In the part of a loop that takes many at once, and in what is left over."""
    x = np.random.default_rng(n).normal(size=n) * 30.0
    one_by_one = [found([v])[0] for v in x]
    assert found(x).tolist() == one_by_one
    with mp.workdps(40):
        total = float(sum(exact(v - 0.75) for v in x))
    assert summed(x) == pytest.approx(total, rel=1e-14)
