"""LL20's flows as claims: that they hold, that every check can fail, and what broken dynamics do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Bent, Remembering, Short
from workbench.claims import ll20_kkt, ll20_logistic
from workbench.claims.registry import CLAIMS

HOLDS = {
    "LL20-T4.1": "holds",
    "LL20-T4.2": "holds",
    "LL20-T4.3": "holds",
    "LL20-T4.4": "holds",
    "LL20-A9": "holds",
    "LL20-C4.5": "holds",
    "LL20-A": "holds corrected",
    "LL20-G": "holds",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("flows"))


@pytest.mark.parametrize("name", HOLDS)
def test_holds_and_every_check_can_fail(lab, name):
    claim = CLAIMS[name]
    evidence, folder = claim.experiment(lab, "quick")
    good = claim.measure(evidence)
    assert claim.verdict(claim.criterion(good)) == HOLDS[name]
    assert folder is not None
    assert folder.is_dir()
    assert_every_check_can_fail_alone(claim, good)


def shaken(theta):
    """Every record knocked by a hundredth."""
    noise = np.random.default_rng(0).standard_normal(theta.shape)
    return theta * (1.0 + 1e-2 * noise)


def drifting(theta):
    """A direction that turns on though γ~ stands still."""
    turn = np.linspace(0.0, 2.0, len(theta))[:, None]
    a, b = theta[:, 0:1].copy(), theta[:, 1:2].copy()
    bent = theta.copy()
    bent[:, 0:1], bent[:, 1:2] = (
        np.cos(turn) * a - np.sin(turn) * b,
        np.sin(turn) * a + np.cos(turn) * b,
    )
    return bent


def swollen(theta):
    """Norms that grow like a higher power of log T."""
    norm = np.linalg.norm(theta, axis=1, keepdims=True)
    return theta * norm**0.5


class Clock:
    """Time that runs as the step does: what a forgotten Σ η would give."""

    def __init__(self, lab, power):
        self.lab, self.power = lab, power

    def train(self, config):
        run = self.lab.train(config)
        bent = {"time_log": np.asarray(run.time_log) ** self.power}
        return replace(run, series={**run.series, **bent})


class Loud:
    """A risk that is not that of the weights: log 𝓛 times a factor."""

    def __init__(self, lab, factor):
        self.lab, self.factor = lab, factor

    def train(self, config):
        run = self.lab.train(config)
        return replace(run, log_risk=np.where(run.log_risk < 0, self.factor, 1.0) * run.log_risk)


@pytest.mark.parametrize(
    ("name", "broken", "says"),
    [
        ("LL20-T4.1", lambda lab: Bent(lab, shaken), "γ~ falls"),
        ("LL20-T4.1", lambda lab: Bent(lab, drifting), "L‖Δθ^‖²"),
        ("LL20-T4.1", lambda lab: Loud(lab, 1.1), "γ~/γ̄"),
        ("LL20-T4.1", lambda lab: Loud(lab, 0.5), "over log N"),
        ("LL20-T4.1", lambda lab: Short(lab, 0.5), "log10 𝓛 at the end"),
        ("LL20-T4.1", lambda lab: Bent(lab, lambda theta: theta[::-1]), "log ρ falls"),
        ("LL20-T4.3", lambda lab: Clock(lab, 0.99), "1/(𝓛T) off"),
        ("LL20-T4.3", lambda lab: Bent(lab, swollen), "in ρ off"),
        ("LL20-G", lambda lab: Bent(lab, shaken), "γ~_m falls"),
        ("LL20-G", lambda lab: Bent(lab, drifting), "Σ k_i"),
        ("LL20-A", lambda lab: Bent(lab, shaken), "γ~ falls"),
        ("LL20-A", lambda lab: Loud(lab, 0.5), "over g'(s) log N"),
        ("LL20-T4.2", lambda lab: Bent(lab, lambda theta: theta[::-1]), "log ρ falls"),
        ("LL20-T4.2", lambda lab: Bent(lab, shaken), "γ^ falls"),
    ],
)
def test_broken_dynamics_fail(lab, name, broken, says):
    with np.errstate(all="ignore"):
        evidence = CLAIMS[name].experiment(broken(lab), "quick")[0]
    assert_fails(CLAIMS[name], evidence, says)


def frozen(theta):
    """The direction of an early record, from there on: norms and risk go on."""
    norm = np.linalg.norm(theta, axis=1, keepdims=True)
    early = int(0.6 * len(theta))
    bent = theta.copy()
    bent[early:] = norm[early:] * (theta[early] / norm[early])
    return bent


@pytest.mark.parametrize(
    ("name", "says"),
    [("LL20-T4.4", "ε for one δ"), ("LL20-C4.5", "angle to it"), ("LL20-T4.4", "angle to it")],
)
def test_a_direction_that_rests_before_its_limit_fails(lab, name, says):
    evidence = CLAIMS[name].experiment(Bent(lab, frozen), "quick")[0]
    assert_fails(CLAIMS[name], evidence, says)


def test_an_unpolished_point_is_no_svm(lab):
    """Corollary 4.5 is about the limit: the flow's own end is off by more than 1e−6."""
    evidence, _ = CLAIMS["LL20-C4.5"].experiment(lab, "quick")
    for limit in evidence:
        end = replace(limit.polished, theta=limit.run.theta[-1])
        limit.__dict__.pop("svm", None)
        limit.__dict__["polished"] = end
    assert_fails(CLAIMS["LL20-C4.5"], evidence, "off the SVM")
    for limit in evidence:
        for name in ("svm", "polished", "angles"):
            limit.__dict__.pop(name, None)


def test_multipliers_of_other_weights_break_lemma_c8(lab, monkeypatch):
    """β of another direction than θ's: the certificate loses what the lemma ties it to."""
    evidence, _ = CLAIMS["LL20-A9"].experiment(lab, "quick")
    wrong = ll20_kkt.paper_certificate_at

    def inverted(point, logs):
        found = wrong(point, -logs)
        return replace(found, beta=1.0 - 1e-3 * (1.0 - found.beta))

    monkeypatch.setattr(ll20_kkt, "paper_certificate_at", inverted)
    fresh = [ll20_kkt.Limit(limit.run) for limit in evidence]
    assert_fails(CLAIMS["LL20-A9"], fresh, "ε of the paper's multipliers")


def test_a_gradient_that_turns_away_breaks_corollary_c10(lab):
    evidence, _ = CLAIMS["LL20-A9"].experiment(lab, "quick")
    fresh = [ll20_kkt.Limit(limit.run) for limit in evidence]
    for limit in fresh:
        limit.__dict__["betas"] = limit.betas * 0.9
    assert_fails(CLAIMS["LL20-A9"], fresh, "least β⁻² − 1")


def test_the_printed_slope_of_the_logistic_loss_is_not_the_slope():
    assert ll20_logistic.slope_error() < 1e-12
    assert ll20_logistic.slope_error(ll20_logistic.printed_slope) > 0.3
    # All margins 1, two samples: the gap is more than the printed g' allows anywhere.
    assert (
        ll20_logistic.equal_margins(1.0, 2)
        > 1.0
        > ll20_logistic.printed_slope(np.array([0.0, 30.0])).max() - 1e-12
    )
