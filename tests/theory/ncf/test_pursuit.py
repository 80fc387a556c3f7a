"""Neuron pursuit and the flow between its stages, against closed forms and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from workbench.theory.ncf.active_flow import ActiveProblem, flow_to_rest
from workbench.theory.ncf.active_gates import Lines
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.pursuit import PursuitEnd, pursuit
from workbench.theory.numerics.outcome import End
from workbench.theory.numerics.work import Work

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
HEIGHTS = np.array([1.0, 3.0, 2.0])


def apart(kind=SQUARED, heights=HEIGHTS):
    """One input on each axis: the samples have nothing to do with each other."""
    return ActiveProblem(np.eye(len(heights)), np.asarray(heights, dtype=float), kind)


def random_problem(seed, kind, leak, n=20, d=2):
    rng = np.random.default_rng(seed)
    return ActiveProblem(rng.normal(size=(n, d)), rng.normal(size=n) + 0.5, kind, leak)


def climbing(problem, most):
    found = kkt_points(Ncf(problem.x, problem.y, problem.kind, problem.leak)).points
    tops = [p.direction for p in found if p.kind == "max" and p.value > 0]
    return 1e-4 * np.stack(tops[:most])


def slow_outputs(problem, w):
    """Sample by sample, neuron by neuron."""
    found = np.zeros(len(problem.y))
    for i, x in enumerate(problem.x):
        for one in w:
            u = one[-len(x) :]
            s = float(x @ u)
            s = s if s > 0 else problem.leak * s
            found[i] += s**2 if problem.kind is SQUARED else one[0] * s
    return found


def slow_risk(problem, w):
    return 0.5 * float(np.sum((problem.y - slow_outputs(problem, w)) ** 2))


def descended(problem, w, rate, steps):
    """Gradient descent."""
    for _ in range(steps):
        ncf = Ncf(problem.x, problem.y, problem.kind, problem.leak)
        z = problem.y - ncf.outputs(w).sum(axis=0)
        w = w + rate * Ncf(problem.x, z, problem.kind, problem.leak).gradient(w)
    return w


def clarke_distance(problem, w, near=1e-7):
    """dist(0, ∂𝓛) over the largest part of it: slopes of samples on a kink are free between α and 1."""
    z = problem.y - slow_outputs(problem, w)
    worst = 0.0
    for one in w:
        v, u = one[0], one[1:]
        s = problem.x @ u
        on = np.abs(s) <= near * np.linalg.norm(u) * np.linalg.norm(problem.x, axis=1)
        slope = np.where(s > 0, 1.0, problem.leak)
        fixed = v * ((slope * z)[~on] @ problem.x[~on])
        in_v = float((np.where(s > 0, s, problem.leak * s) * z).sum())
        if on.any():
            free = (v * z[on])[:, None] * problem.x[on]
            fixed = lsq_linear(free.T, -fixed, (problem.leak, 1.0), tol=1e-14).fun
        worst = max(worst, float(np.hypot(in_v, np.linalg.norm(fixed))))
    return worst / float(np.abs(problem.y) @ np.linalg.norm(problem.x, axis=1))


def test_one_neuron_on_an_axis_in_closed_form():
    """u' = 2(y − u²)u: u² = y/(1 + (y/δ² − 1)e^{−4yt})."""
    y, delta, t = 3.0, 1e-3, 1.2
    found = flow_to_rest(apart(heights=[y]), np.array([[delta]]), np.ones(1), until=t)
    expected = y / (1 + (y / delta**2 - 1) * np.exp(-4 * y * t))
    assert 0.1 < expected < y - 0.1
    assert found.weights[0, 0] ** 2 == pytest.approx(expected, rel=2e-3)
    assert found.time[-1] == t


@pytest.mark.parametrize("leak", [0.0, 0.3])
@pytest.mark.parametrize("kind", list(NeuronKind))
def test_the_flow_is_that_of_small_steps(kind, leak):
    problem = random_problem(0, kind, leak)
    start = climbing(problem, 2)
    found = flow_to_rest(problem, start, np.ones(len(start)), until=1.2)
    slow = descended(problem, start, 2e-4, 6_000)
    assert np.abs(slow).max() > 0.3
    assert found.risk == pytest.approx(slow_risk(problem, found.weights), rel=1e-12)
    assert np.abs(found.weights - slow).max() <= 1e-2 * np.abs(slow).max()


@pytest.mark.parametrize("leak", [0.0, 0.3])
@pytest.mark.parametrize("d", [2, 3])
def test_two_layer_neurons_come_to_rest_at_clarke_stationary_points(leak, d):
    """Neurons are held on kinks in most of these."""
    held = 0
    for seed in range(3):
        problem = random_problem(seed, TWO_LAYER, leak, d=d)
        start = climbing(problem, 3)
        found = flow_to_rest(problem, start, np.ones(len(start)))
        assert found.outcome.converged
        assert found.slope <= 1e-9
        assert clarke_distance(problem, found.weights) <= 1e-7
        assert (np.diff(found.log_risk) <= 1e-10).all()
        held += found.held
    assert held > 0


def test_squared_neurons_come_to_rest_where_the_gradient_vanishes():
    problem = random_problem(3, SQUARED, 0.2, d=3)
    start = climbing(problem, 2)
    found = flow_to_rest(problem, start, np.ones(len(start)))
    z = problem.y - slow_outputs(problem, found.weights)
    left = np.linalg.norm(Ncf(problem.x, z, SQUARED, 0.2).gradient(found.weights))
    assert found.outcome.converged
    assert left <= 1e-7 * np.abs(problem.y).sum()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_neuron_of_either_sign_crosses_a_hyperplane(sign):
    """Off on the second input at first; then both are met, by u = (2, 0)."""
    problem = ActiveProblem(
        np.array([[1.0, 0.0], [1.0, 1.0]]), sign * np.array([4.0, 4.0]), SQUARED
    )
    found = flow_to_rest(problem, np.array([[0.5, -0.7]]), np.array([sign]))
    assert found.outcome.converged
    assert found.weights[0] == pytest.approx([2.0, 0.0], abs=1e-6)


def test_lines_are_shared_by_opposite_inputs():
    x = np.array([[1.0, 2.0], [-2.0, -4.0], [0.0, 0.0], [0.0, -3.0]])
    lines = Lines.through(x)
    assert len(lines.axis) == 2
    assert lines.of.tolist() == [lines.of[1], lines.of[0], -1, lines.of[3]]
    assert lines.way[0] == -lines.way[1]
    for i in (0, 1, 3):
        back = lines.way[i] * lines.axis[lines.of[i]] * np.linalg.norm(x[i])
        assert back == pytest.approx(x[i])


def test_samples_apart_are_fitted_the_largest_first():
    found = pursuit(apart(), {1.0: 9})
    assert found.end is PursuitEnd.FITTED
    assert found.complete
    assert [s.risk for s in found.stages] == pytest.approx([7.0, 2.5, 0.5, 0.0], abs=1e-9)
    assert [len(s.weights) for s in found.stages] == [0, 1, 2, 3]
    order = [int(np.argmax(s.added[0].direction)) for s in found.stages[:-1]]
    assert order == [1, 2, 0]
    assert [s.highest for s in found.stages[:-1]] == pytest.approx([3.0, 2.0, 1.0])


def test_two_layer_neurons_fit_all_labels_of_a_sign_at_once():
    """On inputs apart v Σ y_i σ(u_i) is highest along the labels of one sign, with N half their norm."""
    found = pursuit(apart(TWO_LAYER, [3.0, 1.0, -2.0]), {1.0: 9})
    assert found.end is PursuitEnd.FITTED
    assert [s.risk for s in found.stages] == pytest.approx([7.0, 2.0, 0.0], abs=1e-9)
    assert [s.highest for s in found.stages[:-1]] == pytest.approx([0.5 * np.sqrt(10.0), 1.0])
    assert [np.sign(s.added[0].direction[0]) for s in found.stages[:-1]] == [1.0, -1.0]


def test_the_neuron_added_is_the_best_of_a_fine_grid():
    problem = random_problem(5, SQUARED, 0.0, n=30)
    angle = np.linspace(0, 2 * np.pi, 20_001)
    grid = np.column_stack([np.cos(angle), np.sin(angle)])
    stages = pursuit(problem, {1.0: 9}, within=0.0).stages
    assert len(stages) > 2
    for stage in stages[:-1]:
        z = problem.y - slow_outputs(problem, stage.weights)
        value = Ncf(problem.x, z, SQUARED).value(grid)
        assert stage.highest == pytest.approx(value.max(), rel=1e-6)
        assert stage.added[0].direction == pytest.approx(grid[np.argmax(value)], abs=1e-3)
        assert len(stage.added) == 1


def test_what_is_within_one_percent_of_the_best_leaves_with_it():
    """Opposite inputs: two maxima, of N 2 and of 2, 1.99 or 1.9."""

    def added(second, within):
        x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
        problem = ActiveProblem(x, np.array([2.0, second, 1.0]), SQUARED)
        return [len(s.added) for s in pursuit(problem, {1.0: 9}, within=within).stages]

    assert added(2.0, 0.01) == [2, 1, 0]
    assert added(1.99, 0.01) == [2, 1, 0]
    assert added(1.99, 0.0) == [1, 1, 1, 0]
    assert added(1.9, 0.01) == [1, 1, 1, 0]


def test_signs_and_their_number_bound_what_is_added():
    problem = apart(heights=[-3.0, 2.0, 1.0])
    plus = pursuit(problem, {1.0: 9})
    assert plus.end is PursuitEnd.NOTHING_CLIMBS
    assert plus.stages[-1].risk == pytest.approx(4.5)
    both = pursuit(problem, {1.0: 1, -1.0: 1})
    assert both.end is PursuitEnd.NO_MORE
    assert both.stages[-1].signs.tolist() == [-1.0, 1.0]
    assert both.stages[-1].risk == pytest.approx(0.5)


def test_a_search_that_is_not_complete_says_so():
    rng = np.random.default_rng(2)
    problem = ActiveProblem(rng.normal(size=(12, 3)), -np.ones(12), SQUARED)
    found = pursuit(problem, {1.0: 3}, cap=1, starts=32)
    assert not found.complete
    assert found.end is PursuitEnd.NOTHING_FOUND
    assert "what they missed is not known" in found.stages[0].reason


def test_work_and_cancelling_end_it_with_what_was_reached():
    few = pursuit(apart(), {1.0: 9}, work=Work(most=3e5))
    assert few.end is PursuitEnd.OUT_OF_STEPS
    assert not few.stages[-1].outcome.converged
    assert not few.stages[-1].added
    seen = []
    stopped = pursuit(apart(), {1.0: 9}, work=Work(cancel=lambda: len(seen) >= 2), told=seen.append)
    assert stopped.end is PursuitEnd.CANCELLED
    assert [s.risk for s in stopped.stages[:2]] == pytest.approx([7.0, 2.5])
    assert stopped.stages[2].outcome.end is End.CANCELLED


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="delta above 0"):
        pursuit(apart(), {1.0: 0})
    with pytest.raises(ValueError, match="at least one neuron"):
        flow_to_rest(apart(), np.zeros((0, 3)), np.ones(0))
