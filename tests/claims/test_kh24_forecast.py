"""KH24-S2S: forecasts on plateaus come true, and forecasts from wrong beliefs or for other runs do not."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails, failing
from tests.claims.session_labs import Bent, OtherLabels, Remembering
from workbench.claims.kh24 import forecast as forecast
from workbench.claims.registry import CLAIMS

S2S = CLAIMS["KH24-S2S"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("stairs"))


@pytest.fixture(scope="module")
def evidence(lab):
    return forecast.s2s_evidence(lab, "quick")[0]


def test_holds_and_every_check_can_fail(lab, evidence):
    good = S2S.measure(evidence)
    assert S2S.verdict(S2S.criterion(good)) == "holds corrected"
    assert S2S.experiment(lab, "quick")[1].is_dir()
    assert [p.step > 0 for p in evidence if p.decided] == [False, True, False, True]
    assert_every_check_can_fail_alone(S2S, good)


def shuffled(y):
    return np.random.default_rng(1).permutation(y)


def turned(theta, degrees=3.0):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (theta.reshape(-1, 2) @ np.array([[c, s], [-s, c]])).ravel()


def shuffled_neurons(state):
    """Every neuron's weights given to the next one."""
    return replace(state, theta=np.roll(state.theta, 2))


BELIEFS = {
    "labels instead of the residual": (
        lambda s: replace(s, outputs=np.zeros_like(s.outputs)),
        "inside their bound",
    ),
    "half the residual": (
        lambda s: replace(s, outputs=0.5 * (s.outputs + s.y)),
        "escape time off the forecast",
    ),
    "shuffled labels": (lambda s: replace(s, y=shuffled(s.y)), "inside their bound"),
    "half the weights": (
        lambda s: replace(s, theta=0.5 * s.theta),
        "inside their interval",
    ),
    "shuffled neurons": (shuffled_neurons, "named alone that left first"),
    "neurons turned by twenty degrees": (
        lambda s: replace(s, theta=turned(s.theta, 20.0)),
        "inside their interval",
    ),
}


@pytest.mark.parametrize("name", BELIEFS)
def test_wrong_beliefs_give_wrong_forecasts(lab, name):
    believed, says = BELIEFS[name]
    assert_fails(S2S, forecast.s2s_evidence(lab, "quick", believed)[0], says)


def shifted(plateau, by):
    """An interval that is as wide, and elsewhere."""
    width = plateau.high - plateau.low
    return replace(plateau, low=plateau.low + by * width, high=plateau.high + by * width)


def widened(plateau, by):
    return replace(plateau, low=plateau.low / by, high=plateau.high * by)


BROKEN = {
    "intervals a width too late": (lambda p: shifted(p, 1.0), "inside their interval"),
    "intervals a width too early": (lambda p: shifted(p, -1.0), "inside their interval"),
    "intervals that are always huge": (lambda p: widened(p, 10.0), "interval over escape time"),
    "directions that may be any": (lambda p: replace(p, bound=180.0), "bound on the direction"),
    "bounds of a thousandth": (lambda p: replace(p, bound=1e-3 * p.bound), "inside their bound"),
    "always undecided": (lambda p: replace(p, names=(p.first, 0)), "one neuron named alone"),
    "always another": (
        lambda p: replace(p, names=((p.first + 1) % forecast.WIDTH,)),
        "named alone that left first",
    ),
    "no intervals": (
        lambda p: replace(p, low=forecast.NAN, high=forecast.NAN),
        "inside their interval",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_forecasts_fail(evidence, name):
    breaks, says = BROKEN[name]
    assert_fails(S2S, [breaks(p) for p in evidence], says)


def test_a_plateau_that_no_forecast_was_made_for_and_a_neuron_left_fails(evidence):
    mute = [replace(p, names=(), forecast=forecast.NAN, low=forecast.NAN) for p in evidence]
    assert_fails(S2S, mute, "one neuron named alone")


@pytest.mark.full
@pytest.mark.parametrize("labels", [shuffled, np.negative])
def test_training_on_other_labels_fails(lab, labels):
    assert_fails(S2S, forecast.s2s_evidence(OtherLabels(lab, labels), "quick")[0])


def test_a_run_that_leaves_the_saddle_elsewhere_fails(lab):
    """From step 200 on every neuron's u is turned by five degrees."""

    def bend(theta):
        late = np.arange(len(theta))[:, None] >= 20
        return np.where(late, np.array([turned(t, 5.0) for t in theta]), theta)

    evidence = forecast.s2s_evidence(Bent(lab, bend), "quick")[0]
    assert_fails(S2S, evidence, "inside their bound")


def test_a_run_without_plateaus_fails(lab):
    def lost(theta):
        return np.full_like(theta, np.nan)

    assert_fails(S2S, forecast.s2s_evidence(Bent(lab, lost), "quick")[0], "were decided")


def test_what_the_run_does_not_see_is_not_judged(evidence):
    open_end = replace(evidence[1], first=-1, watched=0.5 * evidence[1].low, happened=forecast.NAN)
    assert failing(S2S, S2S.measure([*evidence, open_end])) == []
    seen = replace(open_end, watched=2.0 * evidence[1].high)
    assert "escape times inside their interval" in failing(S2S, S2S.measure([*evidence, seen]))


@pytest.mark.full
def test_twenty_random_teachers(lab):
    measured = S2S.measure(forecast.s2s_evidence(lab, "full")[0])
    sys.stdout.write(f"\n{dict(measured.quantities)}\n{dict(measured.observed)}\n")
    assert S2S.verdict(S2S.criterion(measured)) == "holds corrected"


def test_the_gradient_is_the_slope_of_the_risk():
    rng = np.random.default_rng(0)
    u, x, y, h = (
        rng.standard_normal((3, 2)),
        rng.standard_normal((7, 2)),
        rng.standard_normal(7),
        1e-6,
    )

    def risk(u):
        return 0.5 * np.sum((np.sum(np.maximum(u @ x.T, 0) ** 2, axis=0) - y) ** 2)

    slope = np.zeros_like(u)
    for at in np.ndindex(u.shape):
        step = np.zeros_like(u)
        step[at] = h
        slope[at] = (risk(u + step) - risk(u - step)) / (2 * h)
    assert forecast.gradient(u, x, y) == pytest.approx(slope, rel=1e-6)
    assert np.array_equal(forecast.gradient(u[None], x, y)[0], forecast.gradient(u, x, y))


def test_valleys_are_the_lowest_gradients_between_high_ones():
    slope = np.log([1, 2, 9, 3, 1, 0.5, 1, 8, 4, 2, 9, 1.0, 0.1, 0.01])
    risk = np.array([9, 9, 8, 7, 6, 6, 6, 5, 4, 4, 3.95, 3.9, 3.9, 3.9])
    assert forecast.valleys(slope, risk) == [0, 5]


def test_valleys_from_which_the_risk_hardly_falls_are_no_stairs():
    slope = np.log([1, 9, 1, 9, 1.0])
    assert forecast.valleys(slope, np.array([5, 4, 3, 3, 2.95])) == [0]
    assert forecast.valleys(-np.arange(5.0), -np.arange(5.0)) == []
