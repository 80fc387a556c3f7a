"""Grokking: both phases hold, and without decay, from small weights or with other labels they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Altered, Remembering
from workbench.claims.beyond import grokking
from workbench.claims.registry import CLAIMS

CLAIM = CLAIMS["LD24-GROK"]
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return CLAIM.experiment(Remembering(tmp_path_factory.mktemp("runs")), "quick")[0]


def test_holds_and_every_check_can_fail(good):
    measured = CLAIM.measure(good)
    assert CLAIM.verdict(CLAIM.criterion(measured)) == "holds"
    assert_every_check_can_fail_alone(CLAIM, measured)


def test_without_decay_it_stays_with_the_kernel(tmp_path):
    lab = Altered(Remembering(tmp_path), "train.weight_decay=0", "train.steps=100000")
    evidence, _ = CLAIM.experiment(lab, "quick")
    assert_fails(CLAIM, evidence, grokking.GROWN, grokking.LEFT, grokking.WAY)


def test_small_weights_are_never_the_kernels(tmp_path):
    lab = Altered(Remembering(tmp_path), "init.values.w1=0.3", "train.lr=0.02", "train.steps=50000")
    evidence, _ = CLAIM.experiment(lab, "quick")
    assert_fails(CLAIM, evidence, grokking.NEAREST)


def test_a_turn_that_does_not_wait_for_the_decay_fails(good):
    runs, kernel = good
    same = [replace(run, time=runs[0].time[: len(run.time)]) for run in (runs[0], runs[0])]
    assert_fails(CLAIM, (same, kernel), grokking.DOUBLES, grokking.GAP)
    at_once = [replace(run, time=np.ones_like(run.time)) for run in runs]
    assert_fails(CLAIM, (at_once, kernel), grokking.DELAY)
