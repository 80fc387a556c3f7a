"""LL20's flows as claims: that they hold, that every check can fail, and what broken dynamics do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Bent, Remembering, Short
from workbench.claims.limits import power_limit
from workbench.claims.ll20 import kkt as ll20_kkt
from workbench.claims.ll20 import limit as ll20_limit
from workbench.claims.ll20 import logistic as ll20_logistic
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
    [
        ("LL20-T4.4", ll20_kkt.EPSILON),
        ("LL20-T4.4", ll20_kkt.NEARING),
        ("LL20-C4.5", ll20_kkt.SVM),
    ],
)
def test_a_direction_that_rests_before_its_limit_fails(lab, name, says):
    evidence = CLAIMS[name].experiment(Bent(lab, frozen), "quick")[0]
    assert_fails(CLAIMS[name], evidence, says)


@pytest.mark.parametrize("power", [0.27, 0.5, 1.0])
@pytest.mark.parametrize(
    ("name", "series", "says"),
    [
        ("LL20-T4.4", "epsilons", ll20_kkt.EPSILON),
        ("LL20-T4.4", "angles", ll20_kkt.NEARING),
        ("LL20-C4.5", "svm_angles", ll20_kkt.SVM),
        ("LL20-A", "epsilons", ll20_kkt.EPSILON),
    ],
)
def test_what_falls_towards_more_than_0_fails(lab, name, series, says, power):
    """0.01 + c h^−p falls tenfold by tenfold, and refutes the statement."""
    evidence = CLAIMS[name].experiment(lab, "quick")[0]
    held = replace(evidence[0])
    heights = np.array(held.heights)
    held.__dict__[series] = (0.01 + 0.02 * (heights / heights[-1]) ** -power).tolist()
    assert_fails(CLAIMS[name], [held, *evidence[1:]], says)


def test_a_delta_that_stays_fails(lab):
    evidence = CLAIMS["LL20-T4.4"].experiment(lab, "quick")[0]
    held = replace(evidence[0])
    held.__dict__["deltas"] = [0.01 + 1.0 / h for h in held.heights]
    assert_fails(CLAIMS["LL20-T4.4"], [held, *evidence[1:]], ll20_kkt.DELTA)


def test_limits_of_powers():
    h = 10.0 ** np.array([4.0, 4.5, 5.0, 5.5, 6.0])
    exact = power_limit(h, 3.0 * h**-0.3)
    assert abs(exact.value) < 1e-10
    assert exact.power == pytest.approx(0.3)
    # A second power: what is left of it is within the error.
    two = power_limit(h, 3.0 * h**-0.3 + 2.0 * h**-0.6)
    assert 0.0 < two.off_zero <= 1.0
    assert two.loose < 0.5
    above = power_limit(h, 0.01 + 3.0 * h**-0.3 + 2.0 * h**-0.6)
    assert above.off_zero > 1.0
    assert above.value == pytest.approx(0.01, rel=0.5)
    for v in (np.full(5, 0.1), h, np.full(5, np.nan), 1.0 - h / h[-1]):
        assert np.isnan(power_limit(h, v).off_zero)
    # Values known to a hundredth say nothing of a limit.
    assert power_limit(h, 3.0 * h**-0.3, 1e-2).loose > 0.5


def test_an_unpolished_point_is_no_svm(lab):
    """Corollary 4.5 is about the limit: the flow's own end is off by more than 1e−6."""
    evidence, _ = CLAIMS["LL20-C4.5"].experiment(lab, "quick")
    ends = []
    for limit in evidence:
        end = replace(limit)
        own = [
            replace(polished, theta=limit.run.theta[i])
            for polished, i in zip(limit.polishes, limit.tail, strict=True)
        ]
        end.__dict__["polishes"] = own
        ends.append(end)
    assert_fails(CLAIMS["LL20-C4.5"], ends, "off the SVM")


def test_multipliers_of_other_weights_break_lemma_c8(lab, monkeypatch):
    """β of another direction than θ's: the certificate loses what the lemma ties it to."""
    evidence, _ = CLAIMS["LL20-A9"].experiment(lab, "quick")
    wrong = ll20_limit.paper_certificate_at

    def inverted(point, logs):
        found = wrong(point, -logs)
        return replace(found, beta=1.0 - 1e-3 * (1.0 - found.beta))

    monkeypatch.setattr(ll20_limit, "paper_certificate_at", inverted)
    fresh = [ll20_limit.FlowLimit(limit.run) for limit in evidence]
    assert_fails(CLAIMS["LL20-A9"], fresh, "ε of the paper's multipliers")


def test_records_that_are_left_out_are_bounded(lab):
    evidence, _ = CLAIMS["LL20-A9"].experiment(lab, "quick")
    assert CLAIMS["LL20-A9"].measure(evidence).quantities[ll20_kkt.UNSTEADY] == 0.0
    coarse = [replace(limit, rtol=1e-3) for limit in evidence]
    assert_fails(CLAIMS["LL20-A9"], coarse, ll20_kkt.UNSTEADY)
    few = replace(evidence[0])
    few.__dict__["papers"] = evidence[0].papers[::2]
    assert_fails(CLAIMS["LL20-A9"], [few], ll20_kkt.LEFT_OUT)


def test_a_gradient_that_turns_away_breaks_corollary_c10(lab):
    evidence, _ = CLAIMS["LL20-A9"].experiment(lab, "quick")
    fresh = [ll20_limit.FlowLimit(limit.run) for limit in evidence]
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
