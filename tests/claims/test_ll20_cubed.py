"""LL20 Theorem A.10 for the cubed losses: it holds, and broken flows fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Remembering
from workbench.claims.ll20 import cubed, flow
from workbench.claims.registry import CLAIMS

CLAIM = CLAIMS["LL20-A10"]
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    found, folder = CLAIM.experiment(Remembering(tmp_path_factory.mktemp("cubed")), "quick")
    assert folder.is_dir()
    return found


def test_holds_and_every_check_can_fail(runs):
    good = CLAIM.measure(runs)
    assert CLAIM.verdict(CLAIM.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(CLAIM, good)


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (lambda r: {"theta": r.theta[::-1]}, flow.GROWTH),
        (lambda r: {"time_log": 0.98 * r.time_log}, cubed.NEARER),
        # Risks that are not those of the weights.
        (lambda r: {"log_risk": 1.1 * r.log_risk}, flow.ABOVE),
        (lambda r: {"log_risk": 0.5 * r.log_risk}, cubed.GAP),
        (
            lambda r: {"theta": r.theta * np.linalg.norm(r.theta, axis=1, keepdims=True) ** 0.3},
            flow.RATE_BOUNDS[2][0],
        ),
    ],
)
def test_broken_flows_fail(runs, bend, says):
    assert_fails(CLAIM, [replace(run, **bend(run)) for run in runs], says)
