"""The edge of stability: it holds, and steps that never come there, or another threshold, fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Altered, Remembering
from workbench.claims.beyond import edge
from workbench.claims.registry import CLAIMS

CLAIM = CLAIMS["CO21-EDGE"]
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return CLAIM.experiment(Remembering(tmp_path_factory.mktemp("runs")), "quick")[0]


def test_holds_and_every_check_can_fail(good):
    measured = CLAIM.measure(good)
    assert CLAIM.verdict(CLAIM.criterion(measured)) == "holds"
    assert_every_check_can_fail_alone(CLAIM, measured)


def test_steps_far_too_short_never_come_there(tmp_path):
    lab = Altered(Remembering(tmp_path), "train.lr=0.0005", "train.steps=400")
    edges, _ = CLAIM.experiment(lab, "quick")
    assert all(each.reached is None for each in edges)
    assert_fails(CLAIM, edges, edge.MEAN, edge.SINGLE, edge.RISK, edge.RISES)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 2.0])
def test_another_threshold_fails(good, factor):
    other = [replace(each, sharpness=each.sharpness / factor) for each in good]
    assert_fails(CLAIM, other, edge.MEAN)


def test_a_risk_that_falls_at_every_step_or_rises_fails(good):
    falling = [replace(each, log_risk=np.linspace(0.0, -1.0, len(each.log_risk))) for each in good]
    assert_fails(CLAIM, falling, edge.RISES)
    rising = [replace(each, log_risk=-each.log_risk) for each in good]
    assert_fails(CLAIM, rising, edge.RISK)
