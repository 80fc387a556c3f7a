"""The path along which the origin is left, and paths along which it is not."""

from __future__ import annotations

from itertools import pairwise

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


def test_a_limit_is_a_kkt_point_and_the_distance_is_that_of_a_polygon():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]])
    y = np.array([2.0, -1.0, 0.5])
    start = np.random.default_rng(0).standard_normal(12)
    limit, height = path._limit(x, y, start / np.linalg.norm(start))
    step = 1e-6
    for k in range(12):
        moved = limit.copy()
        moved[k] += step
        rise = (y @ path._outputs(moved, x) - y @ path._outputs(limit, x)) / step
        assert rise == pytest.approx(2.0 * height * limit[k], abs=1e-4)
    rng = np.random.default_rng(1)
    points, corners = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    fine = np.concatenate(
        [a + np.linspace(0, 1, 20_001)[:, None] * (b - a) for a, b in pairwise(corners)]
    )
    slow = [np.linalg.norm(fine - p, axis=1).min() for p in points]
    np.testing.assert_allclose(path._from_path(points, corners), slow, atol=1e-4)
