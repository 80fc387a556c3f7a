"""LL20 (B3) as a claim: it holds, and tails that are others, or declared otherwise, fail."""

from __future__ import annotations

from dataclasses import replace

import mpmath as mp
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.ll20 import tails as ll20
from workbench.claims.registry import CLAIMS
from workbench.losses.registry import loss_of

CLAIM = CLAIMS["LL20-B3"]


@pytest.fixture(scope="module")
def good():
    return CLAIM.experiment(None, "quick")[0]


def test_holds_and_every_check_can_fail(good):
    measured = CLAIM.measure(good)
    assert CLAIM.verdict(CLAIM.criterion(measured)) == "holds corrected"
    assert_every_check_can_fail_alone(CLAIM, measured)


@pytest.mark.parametrize("tail", [*ll20.NAMED, ll20.POLYNOMIAL, ll20.DOUBLE, ll20.SQUARED_LOG])
def test_slopes_are_the_slopes_and_g_the_inverse(tail):
    with mp.workdps(40):
        for q in (mp.mpf("0.3"), mp.mpf(1), mp.mpf(2)):
            assert abs(mp.diff(tail.f, q) - tail.slope(q)) < 1e-12 * abs(tail.slope(q))
            x = tail.f(q)
            assert abs(tail.g(x) - q) < 1e-25
            assert abs(mp.diff(tail.g, x) / tail.inverse_slope(x) - 1) < 1e-12


def changed(good, place, **changes):
    named = list(good.named)
    named[place] = replace(named[place], **changes)
    return replace(good, named=tuple(named))


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        # A tail that falls: past its label the square loss rises again.
        (lambda good: changed(good, 0, slope=lambda q: 1.5 - q), [ll20.B32, ll20.FALLS]),
        (
            lambda good: changed(good, 0, f=ll20.POLYNOMIAL.f, slope=lambda q: 1 / (1 + abs(q))),
            [ll20.ORDER],
        ),
        (lambda good: changed(good, 3, declared=loss_of("logistic")), [ll20.GROWTH, ll20.POWER]),
        (lambda good: changed(good, 0, declared=loss_of("logistic-cubed")), [ll20.LOOSE]),
        (lambda good: changed(good, 1, declared=loss_of("exponential")), [ll20.BEGIN]),
        (lambda good: changed(good, 2, slope=lambda q: 3 * q**2 + 1), [ll20.CUBED_AT_0]),
        (lambda good: replace(good, heavy=ll20.SQUARED_LOG, light=ll20.LOGISTIC), [ll20.LIGHT]),
        (lambda good: replace(good, heavy=ll20.EXPONENTIAL), [ll20.HEAVY]),
        (lambda good: replace(good, between=ll20.LOGISTIC), [ll20.BETWEEN]),
    ],
)
def test_other_tails_fail(good, broken, says):
    assert_fails(CLAIM, broken(good), *says)
