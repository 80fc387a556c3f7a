"""LL20's figures in the mean over seeds: they hold, and fail for other growths and other accuracies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.ll20 import means
from workbench.claims.registry import CLAIMS
from workbench.claims.sessions import SessionLab

F1, F7 = CLAIMS["LL20-F1-MEANS"], CLAIMS["LL20-F7"]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Of both claims, at the quick size."""
    lab = SessionLab(tmp_path_factory.mktemp("means"))
    return {claim.id: claim.experiment(lab, "quick")[0] for claim in (F1, F7)}


@pytest.mark.full
@pytest.mark.parametrize(
    ("claim", "verdict"), [(F1, "holds corrected"), (F7, "holds")], ids=[F1.id, F7.id]
)
def test_holds_and_every_check_can_fail(evidence, claim, verdict):
    good = claim.measure(evidence[claim.id])
    assert claim.verdict(claim.criterion(good)) == verdict, good
    assert_every_check_can_fail_alone(claim, good)


def growths(factor, shrink=1.0, fitted=1.0):
    """Margins of five seeds that grow like a line, `factor` times as fast by one rule."""
    step = np.arange(0, 2001, 50)
    rates = 1e-6 * np.linspace(0.9, 1.1, 5)
    slow = shrink * rates[:, None] * step
    accuracy = np.full((5, len(step)), fitted)
    fast = factor * rates[::-1, None] * step
    return means.Growths(
        step,
        {means.FAST: fast, means.SLOW: slow},
        dict.fromkeys((means.FAST, means.SLOW), accuracy),
    )


def test_fig_1_tells_growths_apart():
    good = F1.measure(growths(8.0))
    assert F1.verdict(F1.criterion(good)) == "holds corrected"
    assert good.observed["factor, mean"] == pytest.approx(8.0)
    assert good.observed["the factor over the caption's 10"] == pytest.approx(0.8)
    assert_fails(F1, growths(1.0), "loss-based over constant")
    assert_fails(F1, growths(8.0, shrink=-1.0), "falls a step", "loss-based over constant")
    assert_fails(F1, growths(8.0, fitted=0.99), "accuracy")
    assert_every_check_can_fail_alone(F1, good)


def course(change, grown):
    """Five seeds whose accuracy on other digits changes by `change` while γ̄_m grows by `grown`."""
    noise = 1.0 + 0.01 * np.linspace(-1.0, 1.0, 5)[:, None]
    return means.Course(
        (100, 400, 6400),
        np.array([[0.9, 1.0, 1.0]] * 5),
        0.9 * noise * np.array([0.8, 1.0, 1.0 + change]),
        noise * np.array([-1.0, 1e-3, grown * 1e-3]),
    )


def test_fig_7_tells_accuracies_apart():
    good = course(-0.002, 20.0)
    assert good.fitted == 1
    assert F7.verdict(F7.criterion(F7.measure(good))) == "holds"
    assert_every_check_can_fail_alone(F7, F7.measure(good))
    assert_fails(F7, course(-0.4, 20.0), "interval from")
    assert_fails(F7, course(0.5, 20.0), "interval to")
    assert_fails(F7, course(-0.002, 1.5), "grows by a factor")
    assert_fails(F7, replace(good, training=0.99 * good.training), "training accuracy")


@pytest.mark.full
def test_weights_of_another_seed_lose_fig_7(tmp_path):
    """The accuracy on other digits is the weights' own."""

    class Shuffled(SessionLab):
        def study(self, study):
            members = super().study(study)
            rng = np.random.default_rng(0)
            return [replace(m, theta=rng.permutation(m.theta)) for m in members]

    seen, _ = F7.experiment(Shuffled(tmp_path), "quick")
    assert seen.others.mean() < 0.6
