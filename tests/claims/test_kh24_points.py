"""KH24 G.1, G.2, H.1: the closed forms hold, and broken data, points or formulas fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.kh24 import balance as balance
from workbench.claims.kh24 import points as points
from workbench.claims.registry import CLAIMS

G1, G2, H1 = CLAIMS["KH24-G1"], CLAIMS["KH24-G2"], CLAIMS["KH24-H1"]


@pytest.fixture(scope="module")
def evidence():
    return {
        "KH24-G1": points.g1_evidence("quick"),
        "KH24-G2": points.g2_evidence("quick"),
        "KH24-H1": balance.h1_evidence("quick"),
    }


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [(G1, "holds corrected"), (G2, "holds corrected"), (H1, "holds")],
    ids=lambda a: getattr(a, "id", a),
)
def test_holds_and_every_check_can_fail(evidence, claim, verdict):
    good = claim.measure(evidence[claim.id])
    assert claim.verdict(claim.criterion(good)) == verdict
    assert_every_check_can_fail_alone(claim, good)


def nudged(found, size=1e-5):
    """Every point turned by a random angle of that size."""
    rng = np.random.default_rng(0)
    moved = []
    for point in found.points:
        w = point.direction + size * rng.standard_normal(point.direction.shape)
        moved.append(replace(point, direction=w / np.linalg.norm(w)))
    return replace(found, points=tuple(moved))


def test_labels_as_printed_fail_g1():
    assert_fails(G1, points.g1_evidence("quick", sign=-1.0), "off the eigenvectors")


@pytest.mark.parametrize("claim", [G1, G2], ids=lambda c: c.id)
def test_perturbed_missing_and_incomplete_points_fail(evidence, claim):
    cases = evidence[claim.id]
    assert_fails(claim, [replace(c, found=nudged(c.found)) for c in cases], "off the")
    fewer = [replace(c, found=replace(c.found, points=c.found.points[1:])) for c in cases]
    assert_fails(claim, fewer, "off the KKT points")
    unsure = [replace(c, found=replace(c.found, complete=False)) for c in cases]
    assert_fails(claim, unsure, "not known to be complete")


@pytest.mark.parametrize("claim", [G1, G2], ids=lambda c: c.id)
def test_other_labels_and_leaks_fail(evidence, claim):
    cases = evidence[claim.id]
    assert_fails(claim, [replace(c, y=np.roll(c.y, 1)) for c in cases])
    assert_fails(claim, [replace(c, leak=c.leak + 0.3) for c in cases], "off 1 by")


def test_printed_labels_that_do_no_harm_would_be_noticed(evidence):
    harmless = [replace(c, printed=c.found) for c in evidence["KH24-G1"]]
    assert_fails(G1, harmless, "with printed labels")


def test_printed_v_squared_fails_g2(evidence):
    measured = points.g2_measure(evidence["KH24-G2"], v_squared=np.sqrt(0.5))
    checks = {c.quantity: c.holds for c in G2.criterion(measured)}
    assert not checks["formula off the KKT points"]
    assert not checks["KKT points with N ≠ 0 off the formula"]


def test_labels_of_g1_fail_g2():
    assert_fails(G2, points.g2_evidence("quick", sign=1.0))


def test_a_flat_set_that_is_missing_fails_g2(evidence):
    def without(found):
        return replace(found, points=tuple(p for p in found.points if abs(p.value) > 1e-9))

    cases = [replace(c, found=without(c.found)) for c in evidence["KH24-G2"]]
    assert_fails(G2, cases, "{v = 0, u ⊥ q} off the flat set found")


def test_unbalanced_points_and_limits_fail_h1(evidence):
    def unbalanced(w):
        w = w * np.array([1.1, 1.0, 1.0])
        return w / np.linalg.norm(w, axis=1, keepdims=True)

    cases = evidence["KH24-H1"]
    moved = [replace(c, points=unbalanced(c.points)) for c in cases]
    assert_fails(H1, moved, "enumerated")
    moved = [replace(c, limits=unbalanced(c.limits)) for c in cases]
    assert_fails(H1, moved, "limits of the flow")
    assert_fails(H1, [replace(c, limits=c.limits[:0]) for c in cases], "limits of the flow")


def test_turned_u_fails_h1(evidence):
    turn = np.array([[np.cos(1e-3), np.sin(1e-3)], [-np.sin(1e-3), np.cos(1e-3)]])

    def turned(w):
        return np.hstack([w[:, :1], w[:, 1:] @ turn])

    cases = [replace(c, points=turned(c.points)) for c in evidence["KH24-H1"]]
    assert_fails(H1, cases, "√2u")


def test_a_residual_below_eulers_bound_fails_h1(evidence, monkeypatch):
    certify = balance.certify

    def too_kind(w, ncf):
        proof = certify(w, ncf)
        return replace(proof, residual=0.9 * proof.residual)

    monkeypatch.setattr(balance, "certify", too_kind)
    assert_fails(H1, evidence["KH24-H1"], "residual over")
