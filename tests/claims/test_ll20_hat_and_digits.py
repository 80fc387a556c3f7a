"""LL20 Appendices I and K.2 as claims, and broken hats and logarithms."""

from __future__ import annotations

from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Remembering
from workbench.claims.ll20 import hat as ll20_hat
from workbench.claims.ll20 import log_domain as ll20_log_domain
from workbench.claims.registry import CLAIMS
from workbench.losses.logistic import Logistic

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


def test_falls_count_beyond_the_integrator_s_error():
    error = np.full(200, 1e-6)
    rising = np.linspace(0.0, 1.0, 200)
    fall, growth = ll20_hat.later_half(rising, error)
    assert fall < 0
    assert growth == pytest.approx(0.05e6, rel=0.1)
    shaken = rising + 0.5e-6 * np.random.default_rng(0).random(200)
    flat = np.full(200, 0.5) + 0.5e-6 * np.random.default_rng(0).random(200)
    for values, grows in ((shaken, True), (flat, False)):
        fall, growth = ll20_hat.later_half(values, error)
        assert fall <= 1.0
        assert (growth >= ll20_hat.GROWS) == grows
    fallen = rising.copy()
    fallen[180:] -= 1e-2
    assert ll20_hat.later_half(fallen, error)[0] > 1.0


def test_a_path_that_goes_back_fails(lab):
    right, _ = HAT.experiment(lab, "quick")
    run = right.coarse
    back = np.concatenate([np.arange(300), np.arange(300, 300 - len(run.rho) + 300, -1)])
    turned = replace(run, theta=run.theta[back], log_risk=run.log_risk[back])
    assert_fails(
        HAT,
        replace(right, coarse=turned),
        ll20_hat.TURN_FALL,
        ll20_hat.TURN_GROWTH,
        ll20_hat.RISE_FALL,
        ll20_hat.RISE_GROWTH,
    )


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


def unseen_seed():
    """The first draw with a sample that no neuron sees."""
    return next(s for s in range(7, 27) if ll20_log_domain.compare("logistic", 0.0, s).unseen)


@pytest.mark.parametrize("loss", ll20_log_domain.LOSSES)
def test_a_sample_that_no_neuron_sees_is_an_exact_zero(loss):
    seed = unseen_seed()
    found = [ll20_log_domain.compare(loss, target, seed) for target in ll20_log_domain.TARGETS]
    for one in found:
        assert one.unseen > 0
        assert one.risk <= ll20_log_domain.AGREES
        assert one.gradient <= ll20_log_domain.AGREES
    # ℓ(0) of that sample is what the others' risk falls to.
    least = {
        "exponential": 0.0,
        "logistic": np.log10(np.log(2)),
        "cross-entropy": np.log10(np.log(3)),
    }
    assert found[-1].log10_risk >= least[loss] - 1e-9


def test_zeros_that_are_left_out_are_seen():
    def without_zeros(outputs, y, loss):
        kept = outputs != 0 if outputs.ndim == 1 else (outputs != 0).any(axis=1)
        return ll20_log_domain.engine_log_risk(outputs[kept], y[kept], loss)

    broken = [ll20_log_domain.compare("logistic", -100.0, unseen_seed(), without_zeros)]
    assert_fails(LOGS, broken, "log 𝓛 off 60 digits")


def test_plain_exponentials_do_not():
    assert_fails(LOGS, ll20_log_domain.evidence("quick", naive), "log 𝓛 off 60 digits")


def test_wrong_gradients_are_seen(monkeypatch):
    right = Logistic.cotangent

    def half_right(self, outputs, y):
        weights, top = right(self, outputs, y)
        return weights * (1.0 + 1e-9), top

    monkeypatch.setattr(Logistic, "cotangent", half_right)
    assert_fails(LOGS, ll20_log_domain.evidence("quick"), "∇log 𝓛")
