"""Order above 2: KKT points and flows near the origin, and ones that are not as the statements have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.beyond import layer_norms, near_origin
from workbench.claims.registry import CLAIMS

KKT, NEAR = CLAIMS["KH24b-KKT"], CLAIMS["KH24b-NEAR"]


@pytest.fixture(scope="module")
def evidence_of():
    return {
        KKT: layer_norms.evidence("quick"),
        NEAR: near_origin.evidence("quick"),
    }.__getitem__


@pytest.mark.parametrize("claim", [KKT, NEAR], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(evidence_of, claim):
    good = claim.measure(evidence_of(claim))
    assert claim.verdict(claim.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(claim, good)


def test_slopes_of_another_function_fail(evidence_of, monkeypatch):
    """A part of order 1 in every slope: other points, at which layers share the norm otherwise."""
    monkeypatch.setattr(layer_norms, "STEPS", 100)
    assert_fails(KKT, layer_norms.evidence("quick", 0.05), layer_norms.EULER, layer_norms.SHARE)
    shares = [replace(p, norms=0.1, multiplier=0.1) for p in evidence_of(KKT)]
    assert_fails(KKT, shares, layer_norms.NORMS, layer_norms.MULTIPLIER)
    equal = [replace(p, start=0.0) for p in evidence_of(KKT)]
    assert_fails(KKT, equal, layer_norms.START)


def test_weights_that_follow_another_flow_fail():
    def too_fast(slope, delta):
        return 1.01 * slope

    def of_order_1(slope, delta):
        """A disturbance of size δ, not δ³."""
        return slope + 0.1 * delta

    said = near_origin.NEAR_ORDER
    assert_fails(NEAR, near_origin.evidence("quick", too_fast), said)
    assert_fails(NEAR, near_origin.evidence("quick", of_order_1), said)


def test_other_times_and_distances_are_seen(evidence_of):
    cases = evidence_of(NEAR)
    assert_fails(
        NEAR,
        [replace(c, time=1.1, scaled=0.1) for c in cases],
        near_origin.TIME,
        near_origin.SCALED,
    )
    still = [replace(c, apart=np.ones_like(c.apart), grown=0.5) for c in cases]
    assert_fails(NEAR, still, near_origin.FALLS, near_origin.GROWN)


def test_the_gradient_is_that_of_the_outputs():
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((7, 2)), rng.standard_normal(7)
    w, h = rng.standard_normal(3 * near_origin.NEURONS), 1e-6
    for i, slope in enumerate(near_origin.gradient_of(w, x, z)):
        e = h * np.eye(len(w))[i]
        ahead, back = (z @ near_origin.outputs(w + s * e, x) for s in (1.0, -1.0))
        assert slope == pytest.approx((ahead - back) / (2 * h), abs=1e-7)
