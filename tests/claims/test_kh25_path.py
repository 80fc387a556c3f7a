"""The path along which the origin is left, and paths along which it is not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.beyond import path
from workbench.claims.registry import CLAIMS

PATH = CLAIMS["KH25-PATH"]


@pytest.fixture(scope="module")
def escapes():
    return path.evidence("quick")


def test_holds_and_every_check_can_fail(escapes):
    good = PATH.measure(escapes)
    assert PATH.verdict(PATH.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(PATH, good)


def test_a_path_along_another_kkt_point_fails():
    """The one at which other neurons have the weights."""

    def of_others(limit):
        return np.concatenate([np.roll(limit[:6], 2), limit[6:]])

    assert_fails(PATH, path.evidence("quick", of_others), path.APART, path.ABSENT_NORM)
