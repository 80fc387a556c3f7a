"""LL20 Corollary 4.5: at a KKT direction θ/L is the SVM in the features ∇q, elsewhere it is not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.theory.margin.test_margin_problem import (
    LIMIT_3_2,
    LIMIT_C_6,
    VSS_3_2,
    VSS_C_6,
    point_of,
    random_state,
)
from workbench.theory.margin.tangent_svm import angle_between, tangent_svm
from workbench.theory.numerics.separability import Inseparable


@pytest.mark.parametrize(
    ("problem", "theta", "multipliers"),
    [(VSS_3_2, LIMIT_3_2, [1.0, 1.0]), (VSS_C_6, LIMIT_C_6, [1.0, 1.0, 0.5])],
)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_kkt_points_are_the_svm(problem, theta, multipliers, scale):
    point = point_of(problem, scale * theta)
    found = tangent_svm(point.theta, point.rows)
    assert found.angle <= 1e-15
    assert found.svm.w == pytest.approx(theta / 2, abs=1e-14)
    assert found.svm.multipliers == pytest.approx(multipliers, abs=1e-14)
    assert found.margin_ratio == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_other_points_are_not(seed):
    problem, theta = random_state(seed)
    point = point_of(problem, theta)
    found = tangent_svm(theta, point.rows)
    # θ has all margins 2q, hence separates; the SVM does better, by what the angle allows.
    assert found.angle > 1e-3 > found.angle_error
    assert found.margin_ratio < 1.0
    assert found.margin_ratio <= np.cos(found.angle) + 1e-12


def test_features_that_do_not_separate_and_angles():
    assert isinstance(tangent_svm(np.ones(2), np.array([[1.0, 0.0], [-1.0, 0.0]])), Inseparable)
    a = np.array([1.0, 0.0])
    assert angle_between(a, np.array([1.0, 1e-12])) == pytest.approx(1e-12, rel=1e-12)
    assert angle_between(a, np.array([-1.0, 1e-12])) == pytest.approx(np.pi, rel=1e-11)
    with pytest.raises(ValueError, match="zero vector"):
        angle_between(a, np.zeros(2))
