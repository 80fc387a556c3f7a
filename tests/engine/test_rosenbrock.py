"""The integrator: order 3 with any Jacobian, stiff decay with the right one; time by quadrature."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from workbench.engine.programs.flow.rosenbrock import LowRank, rosenbrock_step
from workbench.engine.programs.flow.time import log_time

MIX = np.random.default_rng(2).standard_normal((3, 3))


def slope(y, x):
    return np.sin(MIX @ y) + np.array([np.cos(x), x * y[0], -y[1] * y[2]])


def jacobians():
    rng = np.random.default_rng(5)
    none = LowRank(np.zeros((0, 3)), np.zeros((0, 0)), np.zeros(0), np.zeros(0), np.zeros(3), 1.0)
    some = LowRank(
        rng.standard_normal((2, 3)),
        rng.standard_normal((2, 2)),
        rng.standard_normal(2),
        rng.standard_normal(2),
        rng.standard_normal(3),
        1.7,
    )
    return {"none": none, "arbitrary": some}


@pytest.mark.parametrize("which", ["none", "arbitrary"])
def test_order_three_whatever_the_jacobian(which):
    jacobian = jacobians()[which]
    start = np.array([0.3, -0.2, 0.5])
    exact = solve_ivp(lambda x, y: slope(y, x), (0.4, 1.4), start, rtol=1e-13, atol=1e-14).y[:, -1]
    errors = []
    for count in (32, 64, 128):
        y, h = start, 1.0 / count
        for k in range(count):
            x = 0.4 + k * h
            y, _ = rosenbrock_step(slope, y, x, slope(y, x), h, jacobian)
        errors.append(np.abs(y - exact).max())
    assert np.log2(errors[0] / errors[1]) > 2.7
    assert np.log2(errors[1] / errors[2]) > 2.8


def test_a_low_rank_step_equals_the_dense_one():
    """(I − hγJ) k = h f + hJ Σγk solved densely, stage by stage."""
    from workbench.engine.programs.flow import rosenbrock as ros

    low = jacobians()["arbitrary"]
    back = (low.rows - np.outer(low.radial, low.slope)) / low.divisor
    full, drift = back.T @ low.core @ low.rows, back.T @ low.core @ low.drift
    y, x, h = np.array([0.3, -0.2, 0.5]), 0.7, 0.3
    stages = []
    for alpha, gamma in zip(ros.STAGES, ros.COUPLING, strict=True):
        place = y + sum((a * k for a, k in zip(alpha, stages, strict=True)), np.zeros(3))
        mixed = sum((g * k for g, k in zip(gamma, stages, strict=True)), np.zeros(3))
        right = h * slope(place, x + h * sum(alpha)) + h * (full @ mixed)
        right = right + h * h * (sum(gamma) + ros.DIAGONAL) * drift
        stages.append(np.linalg.solve(np.eye(3) - h * ros.DIAGONAL * full, right))
    wanted = y + sum(b * k for b, k in zip(ros.WEIGHTS, stages, strict=True))
    found, _ = rosenbrock_step(slope, y, x, slope(y, x), h, low)
    assert np.abs(found - wanted).max() < 1e-13


def test_a_stiff_direction_is_damped_in_one_step():
    rows = np.array([[1.0, 0.0, 0.0]])
    stiff = LowRank(rows, np.array([[-1e8]]), np.zeros(1), np.zeros(1), np.zeros(3), 1.0)

    def decay(y, x):
        return np.array([-1e8 * y[0], 1.0, 0.0])

    y, _ = rosenbrock_step(decay, np.ones(3), 0.0, decay(np.ones(3), 0.0), 0.1, stiff)
    assert abs(y[0]) < 1e-6
    assert y[1] == pytest.approx(1.1, rel=1e-12)


@pytest.mark.parametrize("top", [0.5, 4_000.0, 3e5])
def test_time_of_a_step_is_the_integral(top):
    """F = top e^{2x} over one step, m = −1.3x: 40 digits against 24 Gauss points."""
    h = 0.01
    with mp.workdps(40):
        rise = mp.quad(
            lambda x: (
                mp.e ** (top * (mp.e ** (2 * x) - mp.e ** (2 * mp.mpf(h))) - mp.mpf(13) * x / 10)
            ),
            mp.linspace(0, h, 60),
        )
        wanted = float(mp.log(rise) + top * mp.e ** (2 * mp.mpf(h)))
    end = float(np.exp(2 * h))
    heights, climbs = (top, top * end), (2 * top, 2 * top * end)
    found = log_time(h, heights, climbs, (0.0, -1.3 * h), far=True)
    assert abs(found - wanted) < 1e-10 + 1e-14 * top
    found = log_time(h, heights, climbs, (0.0, -1.3 * h), far=False)
    assert abs(found - wanted) < 1e-9 * top + 1e-10
