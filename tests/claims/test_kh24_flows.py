"""KH24 5.1, 5.2, 5.3, 5.4, 5.5, I: flows that follow the statements, and broken ones that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.kh24 import flow as flow
from workbench.claims.kh24 import landscapes as landscapes
from workbench.claims.kh24 import ncf as ncf
from workbench.claims.kh24 import patterns as patterns
from workbench.claims.kh24 import saddle as saddle
from workbench.claims.registry import CLAIMS

L52, T51, T55 = CLAIMS["KH24-L5.2"], CLAIMS["KH24-T5.1"], CLAIMS["KH24-T5.5"]
L53, L54, I1 = CLAIMS["KH24-L5.3"], CLAIMS["KH24-L5.4"], CLAIMS["KH24-I1"]
MADE = {
    "KH24-L5.2": flow.l52_evidence,
    "KH24-T5.1": flow.t51_evidence,
    "KH24-T5.5": saddle.t55_evidence,
    "KH24-L5.4": patterns.l54_evidence,
    "KH24-I1": landscapes.i1_evidence,
}


@pytest.fixture(scope="module")
def ncf_flows():
    return ncf.l53_evidence("quick")


@pytest.mark.parametrize("claim", [L52, T51, T55, L53, L54, I1], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(claim, ncf_flows):
    good = claim.measure(ncf_flows if claim is L53 else MADE[claim.id]("quick"))
    assert claim.verdict(claim.criterion(good)) == ("holds corrected" if claim is T55 else "holds")
    assert_every_check_can_fail_alone(claim, good)


# --- near the origin: dynamics that are not the risk's gradient flow -------------------------------


def uphill(case, deltas):
    field = case.field(deltas)
    return lambda v: -field(v)


def too_fast(case, deltas):
    field = case.field(deltas)
    return lambda v: 1.5 * field(v)


def frozen(case, deltas):
    return lambda v: 0.0 * v


def first_order(case, deltas):
    """A network of order 1: outputs of size δ, not δ²."""
    return case.field([d**0.5 for d in deltas])


def shuffled(case, deltas):
    y = np.random.default_rng(1).permutation(case.y)
    return replace(case, y=y).field(deltas)


def faster_than_allowed(case, deltas):
    """Growth of the norm at three times the rate that β and β~ allow."""
    beta, tilde = case.constants
    field = case.field(deltas)
    return lambda v: field(v) + 6.0 * beta * tilde * v


@pytest.mark.parametrize("broken", [uphill, too_fast, frozen, shuffled])
def test_other_flows_are_not_the_ncfs(broken):
    assert_fails(L52, flow.l52_evidence("quick", broken), "order in δ")


def test_first_order_is_not_second():
    evidence = flow.l52_evidence("quick", first_order)
    assert_fails(L52, evidence, "order in δ")
    assert 0.9 < L52.measure(evidence).quantities["order in δ, least"] < 1.1


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (uphill, "1 − cos at δ"),
        (frozen, "1 − cos over the one before"),
        (shuffled, "1 − cos at δ"),
        (faster_than_allowed, "over √C δ"),
    ],
)
def test_other_flows_end_elsewhere(broken, says):
    assert_fails(T51, flow.t51_evidence("quick", broken), says)


def test_a_limit_that_is_no_kkt_point_fails():
    cases = flow.t51_evidence("quick")
    assert_fails(T51, [replace(c, residual=0.01) for c in cases], "KKT residual")
    assert_fails(T51, [replace(c, value=-1.0) for c in cases], "N(û)")


def test_beta_bounds_every_output():
    x = flow.origins("quick")[0].x
    u = np.random.default_rng(0).standard_normal((10_000, 2))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    seen = np.linalg.norm(np.maximum(u @ x.T, 0.0) ** 2, axis=1).max()
    assert seen <= flow.sup_output(x) < 1.001 * seen


def test_the_scaled_flow_is_the_gradient_flow_of_the_risk():
    for case in flow.origins("quick"):
        delta, w, h = 0.3, 0.3 * case.start, 1e-6

        def risk(w, case=case):
            outputs = case.sign * np.sum(np.maximum(w @ case.x.T, 0.0) ** 2, axis=0)
            if case.loss == "square":
                return 0.5 * np.sum((outputs - case.y) ** 2)
            return np.sum(np.log1p(np.exp(-case.y * outputs)))

        velocity = delta * case.field([delta])(case.start[None])[0]
        for k in range(3):
            for i in range(2):
                step = np.zeros_like(w)
                step[k, i] = h
                slope = (risk(w + step) - risk(w - step)) / (2 * h)
                assert velocity[k, i] == pytest.approx(-slope, rel=1e-6, abs=1e-8)


# --- near the saddle -------------------------------------------------------------------------------


def saddle_uphill(case, deltas):
    field = case.field(deltas)
    return lambda v: -field(v)


def saddle_of_other_labels(case, deltas):
    """The residual's mirror image: its NCF points to the other side."""
    return replace(case, y=case.y[::-1] * (case.x[:, 0] < 0) + case.y * (case.x[:, 0] >= 0)).field(
        deltas
    )


def saddle_too_fast(case, deltas):
    field, speed = case.field(deltas), case.speed
    return lambda v: field(v) + speed * v


def saddle_turned(case, deltas):
    """Small weights pushed sideways."""
    field = case.field(deltas)

    def slope(v):
        moved = field(v)
        moved[:, saddle.LARGE :] += 200.0 * v[:, saddle.LARGE :] @ np.array([[0, 1.0], [-1.0, 0]])
        return moved

    return slope


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (saddle_uphill, "1 − cos"),
        (saddle_too_fast, "distance²"),
        (saddle_turned, "1 − cos at δ"),
    ],
)
def test_other_flows_near_the_saddle(broken, says):
    assert_fails(T55, saddle.t55_evidence("quick", broken), says)


def test_printed_bound_fails_at_the_start():
    measured = T55.measure(saddle.t55_evidence("quick"))
    assert measured.observed["distance² over δ² at t = 0"] == pytest.approx(2.0)


def test_the_deviations_flow_is_the_gradient_flow_of_the_risk():
    case = saddle.saddles("quick")[0]
    delta, h = 0.1, 1e-6
    at = np.vstack([case.large, np.zeros((saddle.SMALL, 2))])
    w = at + delta * case.start

    def risk(w):
        return 0.5 * np.sum((np.sum(np.maximum(w @ case.x.T, 0.0) ** 2, axis=0) - case.y) ** 2)

    velocity = delta * case.field([delta])(case.start[None])[0]
    for k in (0, 3, 12, 19):
        for i in range(2):
            step = np.zeros_like(w)
            step[k, i] = h
            slope = (risk(w + step) - risk(w - step)) / (2 * h)
            assert velocity[k, i] == pytest.approx(-slope, rel=1e-5, abs=1e-6)


# --- the NCF flow ----------------------------------------------------------------------------------


def downhill(field):
    return lambda w: -field(w)


def drifting(field):
    """A constant turn of u on top of the gradient."""

    def bent(w):
        gradient = field(w)
        gradient[:, -2:] += 3.0 * w[:, -2:] @ np.array([[0.0, 1.0], [-1.0, 0.0]])
        return gradient

    return bent


def still(field):
    return lambda w: 0.0 * field(w)


@pytest.fixture
def brief(monkeypatch):
    """Broken flows need not be followed for long."""
    for module in (ncf, patterns):
        monkeypatch.setattr(module, "ROUNDS", 400)
    monkeypatch.setattr(ncf, "LATE", 0.5)
    monkeypatch.setattr(ncf, "LONG", 4.0)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("broken", "says"),
    [(downhill, "largest fall"), (drifting, "off the KKT points"), (still, "neither")],
)
def test_other_fields_are_not_the_ncfs_flow(broken, says):
    assert_fails(L53, ncf.l53_evidence("quick", broken), says)


def test_points_of_another_ncf_fail(ncf_flows, monkeypatch):
    monkeypatch.setattr(ncf, "SETS", {"quick": (4,)})
    monkeypatch.setattr(ncf, "ROUNDS", 1)
    others = ncf.l53_evidence("quick")
    pairs = zip(ncf_flows, others, strict=True)
    assert_fails(L53, [replace(c, points=o.points) for c, o in pairs], "off the KKT points")
    assert_fails(L53, [replace(c, points=()) for c in ncf_flows], "off the KKT points")


@pytest.mark.usefixtures("brief")
def test_starts_outside_s_leave_the_pattern():
    assert_fails(L54, patterns.l54_evidence("quick", reach=6.0), "over its bound")


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("broken", [downhill, drifting])
def test_other_flows_are_not_the_cells(broken):
    assert_fails(L54, patterns.l54_evidence("quick", turned=broken), "off the linear flow")


# --- App. I ----------------------------------------------------------------------------------------


def test_a_smooth_landscape_fails_i1():
    """(u_1 u_2² − 1)² has a small gradient near (1, 0)."""

    def smooth(u):
        f = u[:, 0] * u[:, 1] ** 2
        return 2.0 * (f - 1.0)[:, None] * np.column_stack([u[:, 1] ** 2, 2 * u[:, 0] * u[:, 1]])

    assert_fails(I1, landscapes.i1_evidence("quick", smooth), "‖s‖", "distance from")


def test_the_flow_uphill_fails_i1():
    evidence = landscapes.i1_evidence("quick", lambda u: -0.3 * landscapes.gradient_of_g(u))
    assert_fails(I1, evidence, "‖s‖")
