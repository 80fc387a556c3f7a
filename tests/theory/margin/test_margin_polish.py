"""Polished KKT points of (P): closed forms of VSS22, Clarke multipliers found anew, SLSQP beside them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from tests.theory.margin.patterned_networks import SquaredRelu, TwoLayer, flow
from tests.theory.margin.test_margin_problem import (
    LIMIT_3_2,
    LIMIT_C_6,
    VSS_3_2,
    VSS_C_6,
    point_of,
    random_state,
)
from workbench.theory.margin.newton import Face, equations, solve_face
from workbench.theory.margin.polish import polish
from workbench.theory.numerics.work import Work

NONE = np.zeros((0, 2), dtype=np.int64)


def clarke_residual(problem, theta):
    """Distance of θ, over its norm, from the cone of all one-sided gradients of active constraints.

    Every sample's gates within 1e−9 of a kink are tried both ways, all combinations.
    """
    heights = problem.heights(theta)
    gates = problem.gates(theta)
    q = problem.margins(theta, gates)
    columns = []
    for i in np.flatnonzero(q <= q.min() + 1e-9):
        near = np.flatnonzero(np.abs(heights[i]) <= 1e-9)
        assert len(near) <= 12
        for choice in product((0, 1), repeat=len(near)):
            tried = gates.copy()
            tried[i, near] = np.where(np.array(choice, dtype=bool), 1.0, problem.low[near])
            columns.append(problem.rows(theta, tried, [i])[0])
    size = np.linalg.norm(theta)
    return nnls(np.array(columns).T, theta / size)[1]


def random_network(seed, family):
    """A network, and a point of its flow with q_min = 8; the labels are those of the start."""
    rng = np.random.default_rng(seed)
    n, d, width = int(rng.integers(5, 14)), 3, int(rng.integers(3, 7))
    x = rng.normal(size=(n, d))
    if family == "squared":
        signs = np.where(np.arange(width) % 2, 1.0, -1.0)
        problem = SquaredRelu(x, np.ones(n), signs)
        theta = 0.3 * rng.normal(size=width * d)
    else:
        problem = TwoLayer(x, np.ones(n), width, leak=0.1)
        theta = 0.3 * rng.normal(size=width * (d + 1))
    outputs = problem.margins(theta, problem.gates(theta))
    kept = np.abs(outputs) > 0.05 * np.abs(outputs).max()
    problem.x, problem.y = x[kept], np.sign(outputs[kept])
    problem.samples = np.arange(len(problem.y))
    return problem, flow(problem, theta, 8.0)


@pytest.mark.parametrize("seed", range(3))
def test_vss_3_2_from_the_flow(seed):
    rng = np.random.default_rng(seed)
    theta = np.array([0.1 * rng.normal(), 1.0, 0.1 * rng.normal(), -1.0, 0.5, 0.3])
    start = point_of(VSS_3_2, flow(VSS_3_2, theta, 20.0))
    found = polish(VSS_3_2, start)
    assert found.outcome.converged, found.outcome.why_not
    assert found.theta == pytest.approx(LIMIT_3_2, abs=1e-12)
    assert found.multipliers == pytest.approx([2.0, 2.0], abs=1e-12)
    assert found.norm2 == pytest.approx(8.0, abs=1e-12)
    assert found.outcome.residual <= 1e-12
    cosine = start.theta @ LIMIT_3_2 / (start.norm * np.sqrt(8.0))
    assert found.angle == pytest.approx(np.arccos(cosine), abs=1e-7)


def test_vss_c_6_from_the_flow():
    theta = np.array([0.0, 3.0, 0.0, -2.0, 3.0, 2.0])
    found = polish(VSS_C_6, point_of(VSS_C_6, flow(VSS_C_6, theta, 20.0)))
    assert found.outcome.converged, found.outcome.why_not
    assert found.theta == pytest.approx(LIMIT_C_6, abs=1e-12)
    assert found.multipliers == pytest.approx([2.0, 2.0, 1.0], abs=1e-12)
    assert found.norm2 == pytest.approx(10.0, abs=1e-12)


@pytest.mark.parametrize("family", ["squared", "two-layer"])
@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(3, 30))]
)
def test_random_networks_with_kinks(seed, family):
    problem, theta = random_network(seed, family)
    start = point_of(problem, theta)
    found = polish(problem, start)
    if not found.outcome.converged:
        # Only ever because the KKT point is far, never because none was reached.
        assert "rad from the flow" in found.outcome.why_not
    assert found.outcome.residual <= 1e-10
    assert found.infeasible <= 1e-10
    assert (found.multipliers >= 0).all()
    assert found.norm2 <= start.norm**2 * (1 + 1e-12)
    assert clarke_residual(problem, found.theta) <= 1e-8
    assert found.multipliers.sum() * problem.order == pytest.approx(found.norm2, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_kkt_points_that_descent_reaches_are_slsqp_minima(seed):
    problem, theta = random_network(seed, "squared")
    found = polish(problem, point_of(problem, theta))
    every = np.arange(len(problem.samples))
    rng = np.random.default_rng(0)
    slow = minimize(
        lambda w: 0.5 * w @ w,
        found.theta + 1e-4 * rng.normal(size=len(theta)),
        jac=lambda w: w,
        constraints={
            "type": "ineq",
            "fun": lambda w: problem.margins(w, problem.gates(w)) - 1.0,
            "jac": lambda w: problem.rows(w, problem.gates(w), every),
        },
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 300},
    )
    assert 2 * slow.fun == pytest.approx(found.norm2, rel=1e-6)


def test_a_sample_held_on_a_kink_gets_a_clarke_multiplier():
    x, y = np.array([[1.0, 0.2], [0.1, 1.0], [-1.0, 0.4]]), np.array([1.0, 1.0, -1.0])
    problem = TwoLayer(x, y, 3, leak=0.05)
    rng = np.random.default_rng(0)
    theta = flow(problem, 0.4 * rng.normal(size=9), 10.0, steps=1_500)
    found = polish(problem, point_of(problem, theta))
    assert found.outcome.converged, found.outcome.why_not
    assert clarke_residual(problem, found.theta) <= 1e-9
    heights = problem.heights(found.theta)
    assert len(found.kinks)
    for sample, gate in found.kinks:
        assert abs(heights[sample, gate]) <= 1e-12
    # One-sided gradients alone leave a residual: the point is KKT in Clarke's sense only.
    gates, every = problem.gates(found.theta), np.arange(3)
    one_sided = problem.rows(found.theta, gates, every)
    size = np.linalg.norm(found.theta)
    assert nnls(one_sided.T, found.theta / size)[1] > 1e-3


def test_a_wrong_point_has_a_residual():
    gates = VSS_C_6.gates(LIMIT_C_6)
    right = Face(LIMIT_C_6, np.arange(3), np.array([2.0, 2.0, 1.0]), gates, NONE)
    assert equations(VSS_C_6, right).residual <= 1e-15
    for theta, multipliers in (
        (LIMIT_C_6 * 1.001, [2.0, 2.0, 1.0]),
        (LIMIT_C_6, [2.0, 2.1, 1.0]),
        (LIMIT_C_6 + 1e-3, [2.0, 2.0, 1.0]),
    ):
        wrong = Face(theta, np.arange(3), np.array(multipliers), gates, NONE)
        assert equations(VSS_C_6, wrong).residual > 5e-4


def test_newton_converges_where_split_neurons_make_a_family():
    # Two equal neurons in place of one: every way to share the weight is a KKT point.
    problem = TwoLayer(VSS_3_2.x, VSS_3_2.y, 3)
    shared = np.array(
        [0.0, np.sqrt(2.0), 0.0, np.sqrt(2.0), 0.0, 0.0, np.sqrt(2.0), np.sqrt(2.0), 0.0]
    )
    rng = np.random.default_rng(1)
    start = shared + 0.01 * rng.normal(size=9)
    start[[4, 5, 8]] = [0.0, -0.01, 0.01]
    face = Face(start, np.arange(2), np.array([2.1, 1.9]), problem.gates(start), NONE)
    solved = solve_face(problem, face)
    assert solved.outcome.residual <= 1e-12
    assert solved.face.theta @ solved.face.theta == pytest.approx(8.0, rel=1e-12)


def test_cancelled_and_mismatched():
    problem, theta = random_state(3)
    point = point_of(problem, theta)
    stopped = polish(problem, point, work=Work(cancel=lambda: True))
    assert not stopped.outcome.converged
    assert stopped.outcome.why_not == "cancelled"
    with pytest.raises(ValueError, match="constraints"):
        polish(VSS_3_2, point)
