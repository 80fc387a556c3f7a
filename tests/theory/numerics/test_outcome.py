"""What is said of iterations that converged, stalled, ran out of steps or were cancelled."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.numerics import bounded_quadratic as quadratic
from workbench.theory.numerics.bounded_proximal import proximal_step
from workbench.theory.numerics.bounded_quadratic import bounded_quadratic
from workbench.theory.numerics.least_distance import least_distance
from workbench.theory.numerics.min_norm import least_norm
from workbench.theory.numerics.nearest_in_polyhedron import nearest_in_polyhedron
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work


def problem(seed, n=12):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, n + 3))
    return rows @ rows.T, rng.normal(size=n), np.zeros(n), np.full(n, np.inf), np.ones(n)


def test_what_is_said():
    assert Outcome(End.CONVERGED, 3, 1e-13).why_not == ""
    assert Outcome(End.AT_ROUNDING, 3, 1e-9).converged
    assert Outcome(End.OUT_OF_STEPS, 9).why_not == "the allowed steps ran out"
    assert Outcome(End.STALLED, 9, reason="it went round in a circle").why_not.endswith("circle")
    assert Outcome(End.CANCELLED, 0).cancelled
    assert not Outcome(End.CANCELLED, 0).converged


def test_a_quadratic_tells_how_it_ended(monkeypatch):
    done = bounded_quadratic(*problem(0)).outcome
    assert done.end in (End.CONVERGED, End.AT_ROUNDING)
    assert done.iterations > 1
    assert done.residual < 1e-10
    stopped = bounded_quadratic(*problem(0), work=Work(cancel=lambda: True)).outcome
    assert (stopped.end, stopped.iterations) == (End.CANCELLED, 0)
    monkeypatch.setattr(quadratic, "ROUNDS", 1)
    early = bounded_quadratic(*problem(0)).outcome
    assert (early.end, early.iterations) == (End.OUT_OF_STEPS, 1)
    assert early.residual > 1e-12


def test_a_proximal_step_meets_its_own_equation():
    rng = np.random.default_rng(0)
    rows, target, center = rng.normal(size=(30, 4)), rng.normal(size=4), np.zeros(30)
    found = proximal_step(rows, target, np.full(30, np.inf), center, 0.1)
    assert found.outcome.converged
    y = target - found.solution @ rows
    assert found.solution == pytest.approx(np.maximum(rows @ y / 0.1, 0.0), abs=1e-9)


def test_least_distance_counts_its_steps_and_measures_its_equation():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(20, 5)) + 2.0
    found = least_distance(z, np.ones(20))
    assert found.outcome.converged
    rest = np.linalg.norm(found.w - found.multipliers @ z)
    assert max(rest, found.outcome.residual) < 1e-14


@pytest.mark.parametrize("seed", range(5))
def test_least_norms_residual_is_zero_at_the_least_only(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(6, 3)) + 1.0
    found = least_norm(vertices)
    assert found.outcome.converged
    assert found.outcome.residual < 1e-12


def test_the_shortest_vertex_where_scipy_gives_up(monkeypatch):
    def never(*_):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("workbench.theory.numerics.min_norm.nnls", never)
    found = least_norm(np.array([[1.0, 1.0], [1.0, 0.0], [1.0, -1.0], [-1.0, 0.1]]))
    assert found.element.tolist() == [1.0, 0.0]
    assert found.outcome.end is End.OUT_OF_STEPS
    assert found.outcome.residual == pytest.approx(1.0)


def test_walls_that_are_broken_take_another_round():
    rows, levels, far = np.array([[1.0, 1.0]]), np.array([1.0]), np.full(2, np.inf)
    free = nearest_in_polyhedron(rows, levels, -far, far)
    assert (free.outcome.end, free.outcome.iterations) == (End.CONVERGED, 1)
    walled = nearest_in_polyhedron(rows, levels, -far, np.array([0.1, np.inf]))
    assert walled.outcome.iterations == 2
    assert walled.delta == pytest.approx([0.1, 0.9])
    assert 0 <= walled.outcome.residual < 1e-10
