"""Other norms on linear predictors: rules in the wrong norm, flows and faces that are others'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.beyond import adam_faces, steepest_linear
from workbench.claims.beyond.implicit_flow import implicit_flow
from workbench.claims.beyond.linear_walks import Z, walk
from workbench.claims.registry import CLAIMS
from workbench.engine.rules.steepest import SteepestRule
from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf

LINEAR, ADAM = CLAIMS["TG25-LINEAR"], CLAIMS["TG25-ADAM"]
FEW = {"quick": 8_000, "full": 8_000}


@pytest.fixture(scope="module")
def evidence_of():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steepest_linear, "STEPS", FEW)
        patch.setattr(steepest_linear, "FLOWS", {"quick": (1.0, 150)})
        patch.setattr(adam_faces, "STEPS", {"quick": 16_000})
        found = {LINEAR: steepest_linear.evidence("quick"), ADAM: adam_faces.evidence("quick")}
    return found.__getitem__


@pytest.mark.parametrize("claim", [LINEAR, ADAM], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(evidence_of, claim):
    good = claim.measure(evidence_of(claim))
    assert claim.verdict(claim.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(claim, good)


def test_a_rule_in_the_wrong_norm_fails(evidence_of):
    good = evidence_of(LINEAR)
    wrong = walk(lambda length: SteepestRule(L2(), length), LInf(), 4_000)
    said = (steepest_linear.OWN, steepest_linear.OWN_LIMIT)
    assert_fails(LINEAR, replace(good, walks=((LInf(), wrong), *good.walks[1:])), *said)
    # One that is said to be coordinate descent, and goes to another solution of ℓ1's margin or not at all.
    ours = replace(good, walks=((LInf(), good.walks[0][1]), (L1(), good.walks[0][1])))
    assert_fails(LINEAR, ours, *said)


def test_steps_too_long_let_the_smoothed_margin_fall(evidence_of):
    good = evidence_of(LINEAR)
    rough = walk(lambda length: SteepestRule(LInf(), 10.0 * length), LInf(), 2_000)
    assert rough.fall > 1e-3
    assert_fails(LINEAR, replace(good, walks=((LInf(), rough),)), steepest_linear.FALL)


def test_a_flow_of_another_norm_fails(evidence_of):
    good = evidence_of(LINEAR)
    flows = (good.flows[2], *good.flows[1:])
    assert_fails(LINEAR, replace(good, flows=flows), steepest_linear.FLOW_MARGIN)
    short = implicit_flow(Z, LInf(), 0.5, 8)
    assert_fails(LINEAR, replace(good, flows=(short, *good.flows[1:])), steepest_linear.FLOW_MARGIN)


@pytest.mark.parametrize("norm", [L1(), L2(), LInf()], ids=lambda n: n.symbol)
def test_implicit_steps_are_the_flow_of_fine_explicit_ones(norm):
    """Both come to the same θ at the same length, the explicit ones to their step size."""
    flow = implicit_flow(Z, norm, 0.05, 60)
    theta, count = np.zeros(3), 6_000
    for _ in range(count):
        q = Z @ theta
        share = np.exp(q.min() - q)
        theta = theta + 3.0 / count * norm.direction(-(share / share.sum()) @ Z)
    assert float(np.abs(flow.theta[-1] - theta).max()) < 0.02


def test_adam_with_the_faces_exchanged_fails(evidence_of):
    good = evidence_of(ADAM)
    exchanged = replace(good, sharp=good.smooth, smooth=good.sharp)
    assert_fails(ADAM, exchanged, adam_faces.SHARP, adam_faces.SMOOTH)


def test_an_epsilon_that_the_gradient_never_meets_fails(evidence_of):
    """ε = 1e−30 in so many steps is none."""
    good = evidence_of(ADAM)
    tiny = walk(adam_faces.adam(1e-30), L2(), 2_000, power=0.0)
    assert_fails(ADAM, replace(good, smooth=tiny), adam_faces.SMOOTH)
