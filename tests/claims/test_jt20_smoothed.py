"""JT20 Lemmas C.5 and C.8 as a claim: they hold, and other sums of the margins fail."""

from __future__ import annotations

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.jt20 import smoothed
from workbench.claims.registry import CLAIMS
from workbench.losses.registry import loss_of

CLAIM = CLAIMS["JT20-C5"]


def test_holds_and_every_check_can_fail():
    good = CLAIM.measure(CLAIM.experiment(None, "quick")[0])
    assert CLAIM.verdict(CLAIM.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(CLAIM, good)


@pytest.mark.parametrize("name", smoothed.LOSSES)
def test_beta_is_what_alpha_gains_along_the_weights(name):
    """⟨∂α, W⟩/L = Σ_i p_i ∂α/∂p_i, by difference quotients of α in a common factor of all margins."""
    loss, p = loss_of(name), np.array([1.0, 2.5, 1.2, 6.0])
    ends = [smoothed.alpha_beta(loss, (1.0 + s) * p)[0] for s in (1e-6, -1e-6)]
    assert smoothed.alpha_beta(loss, p)[1] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-8)


@pytest.mark.parametrize(
    ("beta", "says"),
    [
        # Weights that are not those of the risk, and a β of the sum of all margins.
        (lambda loss, p: (smoothed.alpha_beta(loss, p)[0], 0.5 * p.min()), smoothed.BELOW),
        (lambda loss, p: (smoothed.alpha_beta(loss, p)[0], p.sum()), smoothed.ABOVE),
        (lambda loss, p: (-p.min(), p.min()), smoothed.POSITIVE),
    ],
)
def test_other_sums_fail(beta, says):
    assert_fails(CLAIM, smoothed.sums("quick", beta), says)


def test_a_sigma_that_is_not_convex_and_a_pi_that_is_fail(monkeypatch):
    monkeypatch.setattr(smoothed, "sigma", lambda loss, z: np.sqrt(z))
    assert_fails(CLAIM, smoothed.sums("quick"), smoothed.SUPER)
    right = smoothed.alpha_beta

    def squared(loss, p):
        alpha, beta = right(loss, p)
        return alpha**2, beta

    monkeypatch.setattr(smoothed, "alpha_beta", squared)
    assert_fails(CLAIM, smoothed.sums("quick", right), smoothed.CONCAVE)
