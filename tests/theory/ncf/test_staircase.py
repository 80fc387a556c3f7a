"""The staircase against the whole network's flow, integrated to the end from the same tiny start."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.course import CourseEnd
from workbench.theory.ncf.drops import crossing, drops
from workbench.theory.ncf.leaders import agree, leaders
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.staircase import staircase
from workbench.theory.numerics.work import Work

H = 8


def teacher(seed, d):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(16, d))
    x /= np.linalg.norm(x, axis=1)[:, None]
    u = rng.normal(size=(3, d))
    u *= (np.array([1.5, 1.1, 0.8]) / np.linalg.norm(u, axis=1))[:, None]
    return x, (np.maximum(x @ u.T, 0.0) ** 2).sum(1), 1e-6 * rng.normal(size=(H, d))


def flow(x, y, start, until):
    """(time, log risk, log norms) of ẇ_h = 2 Σ_i z_i max(x_i·w_h, 0) x_i."""

    def rate(_, flat):
        open_ = np.maximum(x @ flat.reshape(start.shape).T, 0.0)
        return (2.0 * ((y - (open_**2).sum(1))[:, None] * open_).T @ x).ravel()

    found = solve_ivp(rate, (0.0, until), start.ravel(), "LSODA", rtol=1e-9, atol=1e-15)
    weights = found.y.T.reshape(-1, *start.shape)
    z = y - (np.maximum(weights @ x.T, 0.0) ** 2).sum(1)
    norms = np.log(np.linalg.norm(weights, axis=2))
    return found.t, np.log(0.5 * (z**2).sum(1)), norms


@pytest.mark.parametrize(("seed", "d"), [(2, 2), (3, 3), (5, 3)])
def test_order_level_and_time_are_those_of_the_whole_flow(seed, d):
    x, y, start = teacher(seed, d)
    told = []
    problem = ActiveProblem(x, y, NeuronKind.SQUARED_RELU)
    found = staircase(problem, start, np.ones(H), told=lambda *at: told.append(at))
    assert found.decided
    assert found.end is CourseEnd.FITTED
    time, log_risk, norms = flow(x, y, start, 1.2 * found.time[-1])
    own = drops(time, np.exp(log_risk))
    assert len(own) >= len(found.stairs) >= 2
    made = leaders(time, log_risk, norms, [stair.middle for stair in found.stairs])
    for stair, real, who in zip(found.stairs, own, made, strict=False):
        assert agree(stair.leaves, who)
        assert stair.low <= crossing(time, log_risk, stair.middle) <= stair.high
        assert stair.high - stair.low < 0.05 * stair.time
        assert stair.before == pytest.approx(real.before, rel=1e-2)
    for stair, real in zip(found.stairs[:-1], own, strict=False):
        assert stair.after == pytest.approx(real.after, rel=1e-2)
    first = found.stairs[0]
    assert first.towards is not None
    assert first.towards.off < 15.0
    assert told


def test_what_leads_first_is_who_climbs_first():
    """Two inputs apart: each neuron has one, and climbs it by e^{2 y t}; the times are closed forms."""
    y, start = np.array([3.0, 1.0]), np.array([[1e-5, 0.0], [0.0, 1e-4]])
    problem = ActiveProblem(np.eye(2), y, NeuronKind.SQUARED_RELU)
    found = staircase(problem, start, np.ones(2), fitted=1e-6)
    assert [stair.leaves for stair in found.stairs] == [(0,), (1,)]
    # v = w²: v̇ = 4 v (y − v), a logistic curve; the risk of one is halfway where y − v = y/√2.
    v = y * (1.0 - np.sqrt(0.5))
    wanted = np.log(v / (y - v) * (y - start.diagonal() ** 2) / start.diagonal() ** 2) / (4.0 * y)
    for stair, time in zip(found.stairs, wanted, strict=True):
        assert stair.low <= time <= stair.high
        assert stair.time == pytest.approx(time, rel=5e-3)
    assert found.stairs[0].before == pytest.approx(5.0, rel=1e-3)
    assert found.stairs[0].after == pytest.approx(0.5, rel=1e-2)


def test_a_course_that_is_cut_short_says_so():
    x, y, start = teacher(2, 2)
    problem = ActiveProblem(x, y, NeuronKind.SQUARED_RELU)
    cut = staircase(problem, start, np.ones(H), work=Work(1e5))
    assert not cut.decided
    assert cut.end is CourseEnd.OUT_OF_STEPS
    short = staircase(problem, start, np.ones(H), until=0.1)
    assert short.end is CourseEnd.TIME
    assert short.stairs == ()


def test_two_that_climb_alike_are_a_tie_or_leave_together():
    x, y, start = teacher(3, 3)
    start[1] = start[0]
    problem = ActiveProblem(x, y, NeuronKind.SQUARED_RELU)
    found = staircase(problem, start, np.ones(H))
    for stair in found.stairs:
        assert stair.undecided or {0, 1}.isdisjoint(stair.leaves) or {0, 1} <= set(stair.leaves)


@pytest.mark.parametrize("start", [np.zeros((0, 2))])
def test_nobody_foresees_nothing(start):
    problem = ActiveProblem(np.eye(2), np.ones(2), NeuronKind.SQUARED_RELU)
    with pytest.raises(ValueError, match="neuron"):
        staircase(problem, start, np.ones(len(start)))
