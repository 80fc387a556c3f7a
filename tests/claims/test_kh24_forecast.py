"""KH24-S2S: forecasts on plateaus come true, and forecasts from wrong beliefs or for other runs do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails, failing
from tests.claims.session_labs import Bent, OtherLabels, Remembering
from workbench.claims import kh24_forecast as forecast
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
    assert [len(run) for run in evidence] == [3]
    assert_every_check_can_fail_alone(S2S, good)


def shuffled(y):
    return np.random.default_rng(1).permutation(y)


BELIEFS = {
    "labels instead of the residual": (
        lambda s: replace(s, outputs=np.zeros_like(s.outputs)),
        "escape time",
    ),
    "half the residual": (lambda s: replace(s, outputs=0.5 * (s.outputs + s.y)), "escape time"),
    "shuffled labels": (lambda s: replace(s, y=shuffled(s.y)), "off the NCF flow"),
    "the residual's negative": (lambda s: replace(s, y=2 * s.outputs - s.y), "escape time"),
    "half the learning rate": (
        lambda s: replace(s, learning_rate=0.5 * s.learning_rate),
        "escape time",
    ),
    "neurons in another order": (
        lambda s: replace(s, theta=np.roll(s.theta, 2)),
        "another neuron than the named",
    ),
    "neurons turned by three degrees": (lambda s: replace(s, theta=turned(s.theta)), "escape time"),
}


def turned(theta, degrees=3.0):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (theta.reshape(-1, 2) @ np.array([[c, s], [-s, c]])).ravel()


@pytest.mark.parametrize("name", BELIEFS)
def test_wrong_beliefs_give_wrong_forecasts(lab, name):
    believed, says = BELIEFS[name]
    assert_fails(S2S, forecast.s2s_evidence(lab, "quick", believed)[0], says)


@pytest.mark.full
@pytest.mark.parametrize("labels", [shuffled, np.negative])
def test_training_on_other_labels_fails(lab, labels):
    assert_fails(S2S, forecast.s2s_evidence(OtherLabels(lab, labels), "quick")[0])


def test_a_run_that_leaves_the_saddle_elsewhere_fails(lab):
    """From step 4,000 on every neuron's u is turned by five degrees."""

    def bend(theta):
        late = np.arange(len(theta))[:, None] >= 400
        return np.where(late, np.array([turned(t, 5.0) for t in theta]), theta)

    evidence = forecast.s2s_evidence(Bent(lab, bend), "quick")[0]
    assert_fails(S2S, evidence, "off the NCF flow", "off the KKT point")


def test_a_run_without_plateaus_fails(lab):
    def lost(theta):
        return np.full_like(theta, np.nan)

    assert_fails(S2S, forecast.s2s_evidence(Bent(lab, lost), "quick")[0], "plateaus of a run")


def test_plateaus_that_large_weights_leave_are_counted_and_not_judged(evidence):
    run = evidence[0]
    wrong = replace(run[2], adrift=0.5, named=0, first=-1, leavers=())
    measured = S2S.measure([[*run[:2], wrong]])
    assert failing(S2S, measured) == []
    assert measured.observed["plateaus that large weights leave by themselves"] == 1.0
    assert failing(S2S, S2S.measure([[run[0], wrong]])) == ["plateaus of a run, least"]


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


@pytest.mark.full
def test_large_neurons_that_turn_apart_are_found_on_the_plateau(lab, monkeypatch):
    """Seed 1 leaves its third saddle by a fitted neuron that turns from 133° to 92°."""
    monkeypatch.setattr(forecast, "SEEDS", {"quick": [1]})
    monkeypatch.setattr(forecast, "STEPS", {"quick": 21_000})
    run = forecast.s2s_evidence(lab, "quick")[0][0]
    assert [plateau.kept for plateau in run] == [True, True, False]
    assert S2S.verdict(S2S.criterion(S2S.measure([run]))) == "holds corrected"
