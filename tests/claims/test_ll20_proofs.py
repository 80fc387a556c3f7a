"""What LL20's proofs rest on, as a claim: it holds along flows, and not for other risks and times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Remembering
from workbench.claims.ll20 import proofs
from workbench.claims.registry import CLAIMS

CLAIM = CLAIMS["LL20-B"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return CLAIM.experiment(Remembering(tmp_path_factory.mktemp("proofs")), "quick")[0]


@pytest.mark.full
def test_holds_and_every_check_can_fail(runs):
    good = CLAIM.measure(runs)
    assert CLAIM.verdict(CLAIM.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(CLAIM, good)


@pytest.mark.parametrize("order", [1.0, 2.0, 4.0])
def test_g_is_its_integral(order):
    for first, height in ((1.0, 1.5), (2.0, 9.0), (0.7, 40.0)):
        slow = quad(lambda s, p=2.0 / order - 2.0: np.exp(s) * s**p, first, height)[0]
        assert np.exp(proofs.log_g(height, first, order)) == pytest.approx(slow, rel=1e-9)
    # Far beyond a float it is the leading term.
    far = proofs.log_g(1e5, 2.0, order) - (1e5 + (2.0 / order - 2.0) * np.log(1e5))
    assert abs(far) < 1e-4


@pytest.mark.full
@pytest.mark.parametrize(
    ("bend", "says"),
    [
        # Risks and orders that are not those of the weights.
        (lambda r: {"log_risk": 0.9 * r.log_risk}, proofs.GROWTH),
        (lambda r: {"log_risk": 0.99 * r.log_risk}, proofs.BELOW),
        (lambda r: {"order": 3.0}, proofs.GROWTH),
        # A clock that runs on.
        (lambda r: {"time_log": 1.001 * r.time_log + 4.0}, proofs.TIME),
    ],
)
def test_other_flows_fail(runs, bend, says):
    assert_fails(CLAIM, [replace(run, **bend(run)) for run in runs], says)


@pytest.mark.full
def test_a_larger_gradient_is_faster_than_its_bound(runs, monkeypatch):
    right = proofs.largest_slope
    monkeypatch.setattr(proofs, "largest_slope", lambda run: 0.05 * right(run))
    assert_fails(CLAIM, runs, proofs.SPEED)
