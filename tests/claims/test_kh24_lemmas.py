"""KH24's lemmas that need no training: they hold, and fail for what is not as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.kh24 import along, critical, euler, stability
from workbench.claims.registry import CLAIMS

L56 = CLAIMS["KH24-L5.6"]
B1 = CLAIMS["KH24-B1"]
C3, C1, D1 = CLAIMS["KH24-C3"], CLAIMS["KH24-C1"], CLAIMS["KH24-D1"]
MADE = {
    "KH24-L5.6": critical.evidence,
    "KH24-B1": euler.evidence,
    "KH24-C3": along.evidence,
    "KH24-C1": stability.c1_evidence,
    "KH24-D1": stability.d1_evidence,
}


@pytest.fixture(scope="module")
def evidence_of():
    made = {}

    def evidence(claim):
        if claim.id not in made:
            made[claim.id] = MADE[claim.id]("quick")
        return made[claim.id]

    return evidence


@pytest.mark.parametrize("claim", [CLAIMS[name] for name in MADE], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(evidence_of, claim):
    good = claim.measure(evidence_of(claim))
    expected = "holds corrected" if claim.erratum else "holds"
    assert claim.verdict(claim.criterion(good)) == expected
    assert_every_check_can_fail_alone(claim, good)


# --- Lemma 5.6 ------------------------------------------------------------------------------------


def test_points_that_are_no_saddles_fail(evidence_of):
    found = evidence_of(L56)
    moved = [replace(s, large=1.01 * s.large) for s in found.saddles]
    assert_fails(L56, replace(found, saddles=moved), critical.ZERO)
    fitted = [replace(s, y=s.y - s.residual(s.large)) for s in found.saddles[:1]]
    assert_fails(L56, replace(found, saddles=fitted), critical.DESCENT)


def test_a_point_that_is_left_at_once_fails(evidence_of):
    found = evidence_of(L56)
    assert_fails(L56, replace(found, kinked=[found.leaving]), critical.AWAY)
    assert_fails(L56, replace(found, smooth=[found.leaving]), critical.SMOOTH)
    assert_fails(L56, replace(found, leaving=found.held), critical.LEAVING, critical.LEAVES)


def test_slopes_are_those_of_the_risk(evidence_of):
    rng = np.random.default_rng(0)
    for case in evidence_of(L56).saddles:
        w = case.large + 0.1 * rng.standard_normal(case.large.shape)
        slope, h = case.slope(w), 1e-6
        for k, i in np.ndindex(*w.shape):
            step = np.zeros_like(w)
            step[k, i] = h
            risks = [0.5 * np.sum(case.residual(w + s * step) ** 2) for s in (1.0, -1.0)]
            assert slope[k, i] == pytest.approx((risks[0] - risks[1]) / (2 * h), abs=1e-6)


# --- Lemmas B.1, C.2, C.5, C.6 --------------------------------------------------------------------


def test_a_part_of_another_order_is_seen(evidence_of):
    """|w_1|/100 beside a network of order 2 to 5."""
    bent = [euler.identities(name, "quick", 0.01) for name in euler.NETWORKS]
    assert_fails(
        B1, replace(evidence_of(B1), networks=bent), euler.SCALED, euler.EULER, euler.KINKS
    )


def test_the_printed_square_is_not_that_of_the_lemma(evidence_of):
    ratios = [replace(r, square=r.printed) for r in evidence_of(B1).ratios]
    assert_fails(B1, replace(evidence_of(B1), ratios=ratios), euler.SQUARE)


def test_smooth_points_count_as_no_kinks(evidence_of):
    flat = [replace(n, widths=0.0) for n in evidence_of(B1).networks]
    assert_fails(B1, replace(evidence_of(B1), networks=flat), euler.WIDTH)


# --- Lemmas C.3, C.4, C.7, A.4 --------------------------------------------------------------------


def uphill(field):
    return lambda w: -field(w)


def too_fast(field):
    """Growth, or decay, thirty times that of the NCF, along w."""
    return lambda w: (
        field(w)
        + 30.0
        * np.sum(field(w) * w, axis=1, keepdims=True)
        * w
        / np.sum(w * w, axis=1, keepdims=True)
    )


def turning(field):
    """Every direction turned about, for ever."""
    return lambda w: (
        field(w) + 5.0 * np.roll(w, 1, axis=1) * np.array([-1.0, *[1.0] * (w.shape[1] - 1)])
    )


@pytest.mark.parametrize(
    ("turned", "says"),
    [
        (uphill, [along.RISES, along.KEEPS, along.GROWS, along.AT_LEAST]),
        (too_fast, [along.LEAVES]),
        (turning, [along.RISES, along.EXPONENT, along.LENGTH]),
    ],
)
def test_other_flows_do_not_keep_to_the_lemmas(monkeypatch, turned, says):
    monkeypatch.setattr(along, "INPUTS", (2,))
    monkeypatch.setitem(along.SETS, "quick", (0,))
    assert_fails(C3, along.evidence("quick", turned), *says)


def test_a_flow_that_does_go_to_0_is_seen(evidence_of):
    found = evidence_of(C3)
    assert_fails(C3, replace(found, resting=0.5 * found.resting), along.AWAY, along.ENDS)


# --- Lemmas C.1 and D.1 ---------------------------------------------------------------------------


def test_disturbances_larger_than_delta_are_seen():
    def larger(t, phases, delta):
        return 0.1 * delta**0.5 * np.ones_like(phases)

    assert_fails(C1, stability.c1_evidence("quick", larger), stability.SMOOTH, stability.ALIKE)


def test_distances_that_stay_and_flows_that_do_not_branch_are_seen(evidence_of):
    still = 0.0 * evidence_of(C1).smooth + 1.0
    assert_fails(C1, replace(evidence_of(C1), smooth=still), stability.FALLS)
    assert_fails(C1, replace(evidence_of(C1), resting=evidence_of(C1).alike), stability.RESTING)


def test_small_weights_under_another_flow_fail():
    def too_fast(case, deltas):
        field = case.field(deltas)
        return lambda v: 1.2 * field(v)

    def away(case, deltas):
        field, speed = case.field(deltas), case.speed
        return lambda v: field(v) + 2.0 * speed * v

    assert_fails(D1, stability.d1_evidence("quick", too_fast), stability.D1_ORDER)
    assert_fails(D1, stability.d1_evidence("quick", away), stability.D1_NEAR, stability.D1_FALLS)
