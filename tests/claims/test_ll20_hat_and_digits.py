"""LL20 Appendices I and K.2 as claims, and broken hats and logarithms."""

from __future__ import annotations

from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Remembering
from workbench.claims import ll20_hat, ll20_log_domain
from workbench.claims.registry import CLAIMS

HAT, LOGS = CLAIMS["LL20-I"], CLAIMS["LL20-K2"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("hat"))


def test_the_hat_holds_corrected_and_every_check_can_fail(lab):
    evidence, folder = HAT.experiment(lab, "quick")
    good = HAT.measure(evidence)
    assert HAT.verdict(HAT.criterion(good)) == "holds corrected"
    assert folder is not None
    assert_every_check_can_fail_alone(HAT, good)
    assert good.observed["ψ at its end"] == pytest.approx(np.pi / 2, abs=0.2)


def test_the_printed_hat_does_not_keep_its_curve(lab):
    right, _ = HAT.experiment(lab, "quick")
    kept = [abs(ll20_hat.drift(ll20_hat.printed_hat, angle)[0]) for angle in ll20_hat.ANGLES]
    printed = replace(
        right,
        kept=np.array(kept),
        fine=ll20_hat.flow(lab, "printed", ll20_hat.RTOL, ll20_hat.FINE_STEPS, power=4),
        path=ll20_hat.follow_path(ll20_hat.TURNS, 4),
    )
    assert_fails(HAT, printed, "dψ/dφ| on ψ = 0", "errors of 1e−8")
    # It still goes round, in the valley.
    assert HAT.measure(printed).quantities["turns of the path followed"] >= 9.99


def test_a_round_hat_does_not_turn(lab):
    def round_hat(x, y, z):
        rho = mp.sqrt(x * x + y * y + z * z)
        return rho * (1 - mp.e ** (-((rho / z) ** 2)))

    with np.errstate(all="ignore"):
        drifts = [ll20_hat.drift(round_hat, 2.0)]
    assert abs(drifts[0][1]) < 1e-30


def test_the_path_is_the_closed_form_on_the_curve():
    """On ψ = 0 exactly, F_a = F_φ; the growth by quadrature is the path's while that stays on it."""
    for a in (1.2, 2.0, 7.0):
        steeper, turn = ll20_hat.path_field(a, 0.0)
        assert steeper == pytest.approx(turn, rel=1e-10)
        steeper, turn = ll20_hat.path_field(a, 0.0, 4)
        assert (turn - steeper) / turn == pytest.approx(1.0 - 1.0 / a, rel=1e-10)


def naive(outputs, y, loss):
    """exp and log as they come."""
    if loss == "cross-entropy":
        return -400.0
    with np.errstate(all="ignore"):
        q = y * outputs
        risk = np.sum(np.exp(-q) if loss == "exponential" else np.log(1.0 + np.exp(-q)))
        return float(np.log(risk))


def test_the_logarithms_hold_and_every_check_can_fail():
    evidence, _ = LOGS.experiment(None, "quick")
    good = LOGS.measure(evidence)
    assert LOGS.verdict(LOGS.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(LOGS, good)


def test_plain_exponentials_do_not():
    assert_fails(LOGS, ll20_log_domain.evidence("quick", naive), "log 𝓛 off 60 digits")


def test_wrong_gradients_are_seen(monkeypatch):
    right = ll20_log_domain.COTANGENTS["logistic"]

    def half_right(outputs, y):
        weights, top = right(outputs, y)
        return weights * (1.0 + 1e-9), top

    monkeypatch.setitem(ll20_log_domain.COTANGENTS, "logistic", half_right)
    assert_fails(LOGS, ll20_log_domain.evidence("quick"), "∇log 𝓛")
