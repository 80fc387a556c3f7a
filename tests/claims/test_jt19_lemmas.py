"""JT19's claims that need no session: any loss, Appendix A, the lemmas; and what is not as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.jt19 import losses
from workbench.claims.registry import CLAIMS

LOSSES, L23 = CLAIMS["JT19-LOSSES"], CLAIMS["JT19-L2.3"]
MADE = {"JT19-LOSSES": losses.evidence, "JT19-L2.3": losses.evidence}


@pytest.fixture(scope="module")
def evidence_of():
    made = {}

    def evidence(claim):
        make = MADE[claim.id]
        if make not in made:
            made[make] = make("quick")
        return made[make]

    return evidence


@pytest.mark.parametrize("claim", [CLAIMS[name] for name in MADE], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(evidence_of, claim):
    good = claim.measure(evidence_of(claim))
    expected = "holds corrected" if claim.erratum else "holds"
    assert claim.verdict(claim.criterion(good)) == expected
    assert_every_check_can_fail_alone(claim, good)


# --- any strictly decreasing loss -----------------------------------------------------------------


def uphill(v, w):
    return -v


def one_layer(v, w):
    """Only W_1 moves."""
    kept = np.zeros_like(v)
    kept[: w[0].size] = v[: w[0].size]
    return kept


def noisy(v, w):
    """Half of the way goes along a fixed direction across all layers."""
    noise = np.random.default_rng(0).standard_normal(len(v))
    return v + 0.5 * noise / np.linalg.norm(noise)


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (uphill, [losses.RISE, losses.MARGIN]),
        (one_layer, [losses.KEPT, losses.GROWTH]),
        (noisy, [losses.KEPT, losses.RANK]),
    ],
)
def test_other_dynamics_than_the_flow_fail(bend, says):
    assert_fails(LOSSES, losses.evidence("quick", bend, ("logistic", "Reciprocal")), *says)


def test_a_flow_that_stays_or_comes_back_is_seen(evidence_of):
    """Records run backwards, a slope that vanishes, and a speed of a thousandth."""
    path = evidence_of(L23)[0]
    run = path.chain.run

    def with_run(**changed):
        return replace(path, chain=replace(path.chain, run=replace(run, **changed)))

    back = np.concatenate([run.theta[::2], run.theta[::-2]])[: len(run.theta)]
    assert_fails(L23, [with_run(theta=back)], losses.INSIDE, losses.BACK)
    assert_fails(L23, [replace(path, first=0.0 * path.first)], losses.LEAST)
    assert_fails(L23, [with_run(time=1e3 * run.time)], losses.SPENT)
    assert_fails(L23, [with_run(log_risk=1.0 - run.log_risk)], losses.BELOW)


@pytest.mark.parametrize("name", ["Reciprocal", "Root", "Slow", "Fast"])
def test_losses_of_a_users_kind_meet_assumption_1_1(name):
    loss = losses.losses()[name]
    q = np.concatenate([-np.geomspace(1e3, 1e-3, 50), [0.0], np.geomspace(1e-3, 1e3, 50)])
    log_ell = loss.log_losses(q[None], np.ones(len(q)))[0]
    assert np.all(np.diff(log_ell) < 0.0)
    assert log_ell[0] > np.log(100.0)
    assert log_ell[-1] < np.log(0.2)
    near = np.linspace(-20.0, 20.0, 41)
    assert np.all(loss.residual(near, np.ones(41)) >= 0.0)
