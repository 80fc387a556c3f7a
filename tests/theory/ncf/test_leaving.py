"""When weights leave the origin along the flow of an NCF, against closed forms and a slow solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from workbench.claims.beyond.blow_up import blow_up_times, three_layer_gradient
from workbench.theory.ncf.leaving import blow_up, leaving
from workbench.theory.numerics.work import Work

TOP = np.ones(3) / np.sqrt(3.0)
"""The maximum of u_1 u_2 u_3 on the sphere, N = 3^{−3/2}."""
N = 3.0**-1.5


def product(u, s):
    """∇ of u_1 u_2 u_3, of order 3."""
    return np.array([u[1] * u[2], u[0] * u[2], u[0] * u[1]])


def to_norm(r):
    return lambda s, growth: s - np.log(r)


@pytest.mark.parametrize("size", [1e-2, 1e-4])
def test_along_a_kkt_point_in_closed_form(size):
    found = leaving(product, size * TOP, 3.0, to_norm(0.5))
    assert found.time == pytest.approx((1 / size - 1 / 0.5) / (3.0 * N), rel=1e-5)
    assert found.growth == pytest.approx(3.0 * N)
    assert blow_up(found, 3.0) == pytest.approx(1.0 / (3.0 * 1.0 * N * 0.5))


def test_order_2_grows_like_its_logarithm():
    a = np.diag([3.0, 1.0])
    found = leaving(lambda u, s: a @ u, np.array([1e-6, 0.0]), 2.0, to_norm(1.0))
    assert found.time == pytest.approx(np.log(1e6) / 3.0, rel=1e-5)
    assert blow_up(found, 2.0) == np.inf


@pytest.mark.parametrize("start", [[0.3, -0.1, 0.2], [0.5, 0.1, 0.02], [-0.4, -0.3, 0.1]])
def test_a_start_that_turns_against_a_slow_solver(start):
    """In plain time, without directions of their own."""
    u0 = 0.01 * np.array(start)

    def at(t, u):
        return np.linalg.norm(u) - 0.2

    at.terminal = True
    slow = solve_ivp(lambda t, u: product(u, 0.0), (0, 1e6), u0, events=at, rtol=1e-10, atol=1e-14)
    found = leaving(product, u0, 3.0, to_norm(0.2))
    assert found.time == pytest.approx(float(slow.t_events[0][0]), rel=1e-4)
    assert found.direction == pytest.approx(slow.y_events[0][0] / 0.2, abs=1e-3)
    # The time goes like δ^{−(L−2)}.
    tenth = leaving(product, 0.1 * u0, 3.0, to_norm(0.02))
    assert tenth.time == pytest.approx(10.0 * found.time, rel=1e-4)


def test_three_layers_of_relu_slide_along_their_kinks():
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(12, 2)), rng.normal(size=12)
    gradient = three_layer_gradient(x, z, (4, 3))
    starts = 0.1 * rng.normal(size=(4, 23))
    equal_steps = blow_up_times(gradient, starts, 3.0)
    for start, time in zip(starts, equal_steps, strict=True):
        found = leaving(lambda u, s: gradient(u[None])[0], start, 3.0, to_norm(500.0))
        total = found.time + (blow_up(found, 3.0) if np.isfinite(found.time) else 0.0)
        assert total == pytest.approx(time, rel=5e-3)


def test_what_never_leaves_and_what_was_not_followed():
    falls = leaving(lambda u, s: -u, np.array([1e-3, 0.0]), 2.0, to_norm(1.0))
    assert falls.time == np.inf
    still = leaving(lambda u, s: 0.0 * u, np.array([1e-3, 0.0]), 3.0, to_norm(1.0), size=1.0)
    assert still.time == np.inf
    short = leaving(product, 1e-3 * TOP, 3.0, to_norm(1.0), rounds=3)
    assert np.isnan(short.time)
    assert not short.outcome.converged
    spent = leaving(product, 1e-3 * TOP, 3.0, to_norm(1.0), work=Work(0.0))
    assert np.isnan(spent.time)
    with pytest.raises(ValueError, match="norm"):
        leaving(product, np.zeros(3), 3.0, to_norm(1.0))
