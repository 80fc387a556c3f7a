"""The staircase that is foreseen, against runs that it knows nothing of, and against others than its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Altered, Remembering
from workbench.claims.beyond import staircase
from workbench.claims.registry import CLAIMS

CLAIM = CLAIMS["K25-STAIRCASE"]
GOOD = staircase.Held(True, (True, True), (0.01, 0.01), (1.0,), True)


def test_what_is_seen_of_runs_made_by_hand():
    good = CLAIM.measure([GOOD] * 20)
    assert CLAIM.verdict(CLAIM.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(CLAIM, good)
    assert_fails(CLAIM, [GOOD] * 17 + [replace(GOOD, in_order=False)] * 3, staircase.ORDER)
    assert_fails(CLAIM, [replace(GOOD, within=(True, False))] * 20, staircase.WITHIN)
    assert_fails(CLAIM, [replace(GOOD, wide=(0.01, 0.2))], staircase.WIDE)
    assert_fails(CLAIM, [replace(GOOD, level=(1.2,))], staircase.LEVEL)
    assert_fails(CLAIM, [replace(GOOD, wide=(np.nan,))], staircase.WIDE)


def test_it_holds_from_its_own_start_and_not_from_another(tmp_path):
    lab = Remembering(tmp_path)
    good = CLAIM.measure(staircase.experiment(lab, "quick")[0])
    assert CLAIM.verdict(CLAIM.criterion(good)) == "holds"
    one = staircase.TEACHERS["quick"][:1]
    other = staircase.held(Altered(lab, "init.seed=77"), one)[0]
    assert_fails(CLAIM, other, staircase.ORDER)
    larger = staircase.held(Altered(lab, "init.scale=1e-6"), one)[0]
    assert_fails(CLAIM, larger, staircase.WITHIN)
