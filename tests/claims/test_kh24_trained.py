"""KH24 Fig. 2, Fig. 3, Cor. 5.4.1 over real sessions, and over ones that are broken on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Bent, OtherLabels, Remembering, Short
from workbench.claims.kh24 import landscapes as landscapes
from workbench.claims.registry import CLAIMS

F2, F3, C541 = CLAIMS["KH24-F2"], CLAIMS["KH24-F3"], CLAIMS["KH24-C5.4.1"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("trained"))


def wandering(theta):
    """Every pair of numbers turned by a random angle at every record."""
    angle = np.random.default_rng(0).uniform(-0.3, 0.3, theta.shape[0])[:, None]
    a, b = theta[:, 0::2], theta[:, 1::2]
    bent = theta.copy()
    bent[:, 0::2] = np.cos(angle) * a - np.sin(angle) * b
    bent[:, 1::2] = np.sin(angle) * a + np.cos(angle) * b
    return bent


def turned(theta):
    """All of it by five degrees, as if it had settled elsewhere."""
    angle = np.radians(5.0)
    bent = theta.copy()
    bent[:, 0::2] = np.cos(angle) * theta[:, 0::2] - np.sin(angle) * theta[:, 1::2]
    bent[:, 1::2] = np.sin(angle) * theta[:, 0::2] + np.cos(angle) * theta[:, 1::2]
    return bent


def lost(theta):
    return np.full_like(theta, np.nan)


def growing(theta):
    """Each record longer than it is: the norm outgrows its bound."""
    return theta * (1 + np.arange(len(theta)))[:, None]


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [(F2, "holds"), (F3, "holds corrected"), pytest.param(C541, "holds", marks=pytest.mark.full)],
    ids=lambda a: getattr(a, "id", a),
)
def test_holds_and_every_check_can_fail(lab, claim, verdict):
    evidence, folder = claim.experiment(lab, "quick")
    good = claim.measure(evidence)
    assert claim.verdict(claim.criterion(good)) == verdict
    assert folder is not None
    assert folder.is_dir()
    assert_every_check_can_fail_alone(claim, good)


# --- Fig. 3 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda lab: Bent(lab, turned), "settled directions off"),
        (lambda lab: Bent(lab, wandering), "share settled at"),
        (lambda lab: Short(lab, 1 / 3), "share settled at"),
        pytest.param(
            lambda lab: OtherLabels(lab, lambda y: np.roll(y, 9)),
            "settled directions off",
            marks=pytest.mark.full,
        ),
    ],
)
def test_broken_training_fails_f3(lab, broken, says):
    assert_fails(F3, F3.experiment(broken(lab), "quick")[0], says)


# --- Corollary 5.4.1 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda lab: Short(lab, 1 / 8), "on a KKT point or vanished"),
        (lambda lab: Bent(lab, turned), "on a KKT point or vanished"),
        (lambda lab: Bent(lab, lost), "on a KKT point or vanished"),
        (lambda lab: Bent(lab, growing), "over √C δ"),
        pytest.param(
            lambda lab: OtherLabels(lab, lambda y: np.roll(y, 9)),
            "on a KKT point or vanished",
            marks=pytest.mark.full,
        ),
    ],
)
def test_broken_training_fails_c541(lab, broken, says):
    assert_fails(C541, C541.experiment(broken(lab), "quick")[0], says)


# --- Fig. 2 ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def branching(lab):
    return landscapes.f2_evidence(lab, "quick")[0]


def smooth(u):
    """u_1 u_2²: the line {u_2 = 0} does not repel at finite speed, and flows leave it after ln(1/ε)."""
    return np.column_stack([u[:, 1] ** 2, 2 * u[:, 0] * u[:, 1]])


def one_sided(u):
    """u_1 u_2: no kink, so one side is taken down."""
    return u[:, ::-1].copy()


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (smooth, "escape time"),
        (lambda u: -landscapes.gradient_of_f(u), "flow from (1, ±ε)"),
        (lambda u: 1.1 * landscapes.gradient_of_f(u), "closed form off the inclusion"),
        (lambda u: 2.0 * landscapes.gradient_of_f(u), "flows that wait"),
    ],
)
def test_other_fields_fail_f2(lab, field, says):
    assert_fails(F2, landscapes.f2_evidence(lab, "quick", field)[0], says)


def test_a_saddle_that_does_not_branch_fails_f2(lab):
    assert_fails(F2, landscapes.f2_evidence(lab, "quick", one_sided)[0], "closed form")


def test_logarithmic_escape_times_fail_f2(branching):
    """What a smooth saddle would do, and this one does not: ln(1/ε)."""
    times = np.log(1.0 / np.array(landscapes.EPSILONS))[:, None] * np.ones(2)
    assert_fails(F2, replace(branching, escapes=times), "escape time")


def test_broken_evidence_fails_f2(branching):
    both = np.repeat(branching.ends[:, :1], 2, axis=1)
    assert_fails(F2, replace(branching, ends=both), "on the line")
    assert_fails(F2, replace(branching, points=branching.points[1:]), "KKT points off")
    assert_fails(F2, replace(branching, trained=branching.trained[::-1]), "trained neurons")
    assert_fails(F2, replace(branching, spread=float("nan")), "off the line")


def test_a_branching_flow_off_the_line_would_be_noticed(lab, monkeypatch):
    exact = landscapes.exact_flow

    def jumping(z, t):
        """Flows with u_1 < 0 pass through {u_2 = 0} on one of two sides, by the start's digits."""
        path = exact(z, t)
        side = 1.0 if int(abs(z[0]) * 1e9) % 2 else -1.0
        return np.column_stack([path[:, 0], side * path[:, 1]])

    monkeypatch.setattr(landscapes, "exact_flow", jumping)
    assert_fails(F2, landscapes.f2_evidence(lab, "quick")[0], "off the line")


def test_training_backwards_fails_f2(lab):
    backwards = OtherLabels(lab, np.negative)
    assert_fails(F2, landscapes.f2_evidence(backwards, "quick")[0], "trained neurons")
