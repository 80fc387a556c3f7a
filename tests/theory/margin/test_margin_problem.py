"""Problem (P) at a point: scalings, the paper's multipliers, the best ones for every δ."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import lsq_linear, minimize

from tests.theory.margin.patterned_networks import TwoLayer
from workbench.losses.registry import loss_of
from workbench.theory.margin.front import FrontSolver, margin_front
from workbench.theory.margin.kkt import lemma_bounds, paper_certificate_at
from workbench.theory.margin.problem import (
    MarginPoint,
    class_margins,
    layer_rescaling,
    uniform_rescaling,
)

VSS_3_2 = TwoLayer([[1.0, 0.25], [-1.0, 0.25]], [1.0, 1.0], 2)
LIMIT_3_2 = np.array([0.0, 2.0, 0.0, 0.0, 2.0, 0.0])
VSS_C_6 = TwoLayer([[1.0, 0.25], [-1.0, 0.25], [0.0, -1.0]], [1.0] * 3, 2)
LIMIT_C_6 = np.array([0.0, 2.0, 0.0, -1.0, 2.0, 1.0])


def point_of(problem, theta, rescaling=None):
    gates = problem.gates(theta)
    every = np.arange(len(problem.samples))
    return MarginPoint.at(
        theta,
        problem.margins(theta, gates),
        problem.rows(theta, gates, every),
        problem.order,
        rescaling,
    )


def random_state(seed, n=6, width=4, scale=1.0):
    """A two-layer network with every sample on the right side."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    problem = TwoLayer(x, np.ones(n), width, leak=0.1)
    while True:
        theta = scale * rng.normal(size=width * 4)
        problem.y = np.sign(problem.margins(theta, problem.gates(theta)) * problem.y)
        if np.abs(problem.margins(theta, problem.gates(theta))).min() > 0.05 * scale**2:
            return problem, theta


def random_point(seed, constraints, parameters, rank=None):
    """Rows that obey Euler's identity, of full or lower rank, badly scaled."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=parameters)
    rank = rank or parameters
    rows = rng.normal(size=(constraints, rank)) @ rng.normal(size=(rank, parameters))
    rows *= 10.0 ** rng.uniform(-1, 0, size=(constraints, 1))
    rows += 2 * theta / (theta @ theta) * rng.exponential(size=(constraints, 1))
    q = rows @ theta / 2.0
    kept = q > 0.05
    return MarginPoint.at(theta, q[kept], rows[kept], 2.0)


# --- scalings ---


def test_scaled_point_is_the_point_evaluated_there():
    problem, theta = random_state(0)
    point = point_of(problem, theta)
    gates = problem.gates(point.theta)
    assert point.q == pytest.approx(problem.margins(point.theta, gates), rel=1e-13)
    assert point.q.min() == 1.0
    assert point.rows == pytest.approx(problem.rows(point.theta, gates, np.arange(6)), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_layers_scaled_by_themselves_have_the_least_norm(seed):
    problem, theta = random_state(seed)
    theta[:12] *= 7.0
    layers = [(np.arange(12), 1.0), (np.arange(12, 16), 1.0)]
    q = problem.margins(theta, problem.gates(theta))
    scaling = layer_rescaling(theta, q, layers)
    point = point_of(problem, theta, scaling)
    gates = problem.gates(point.theta)
    assert problem.margins(point.theta, gates).min() == pytest.approx(1.0, rel=1e-13)
    assert point.rows == pytest.approx(problem.rows(point.theta, gates, np.arange(6)), rel=1e-12)
    norms = [np.linalg.norm(theta[index]) for index, _ in layers]

    def norm2(a):
        return (np.exp(a) * norms[0]) ** 2 + (np.exp(-a) / q.min() * norms[1]) ** 2

    slow = minimize(lambda a: norm2(a[0]), [0.0], tol=1e-14).fun
    assert point.norm**2 == pytest.approx(slow, rel=1e-9)
    uniform = uniform_rescaling(theta, q, 2.0)
    assert point.norm < np.linalg.norm(uniform.theta(theta))


def test_refusals():
    problem, theta = random_state(1)
    gates, every = problem.gates(theta), np.arange(6)
    q, rows = problem.margins(theta, gates), problem.rows(theta, gates, every)
    with pytest.raises(ValueError, match="Euler"):
        MarginPoint.at(theta, q, rows, 3.0)
    with pytest.raises(ValueError, match="above 0"):
        MarginPoint.at(theta, -q, -rows, 2.0)
    with pytest.raises(ValueError, match="every parameter once"):
        layer_rescaling(theta, q, [(np.arange(12), 1.0)])
    with pytest.raises(ValueError, match="δ must be"):
        FrontSolver(point_of(problem, theta)).solve(-1.0)


# --- the paper's multipliers ---


@pytest.mark.parametrize("loss", ["exponential", "logistic"])
@pytest.mark.parametrize("seed", range(4))
def test_paper_multipliers_by_the_letter_of_lemma_c_8(loss, seed):
    problem, theta = random_state(seed)
    gates, every = problem.gates(theta), np.arange(6)
    q, rows = problem.margins(theta, gates), problem.rows(theta, gates, every)
    weight = np.exp(-q) if loss == "exponential" else 1.0 / (1.0 + np.exp(q))
    h = sum(weight[i] * rows[i] for i in every)
    rho, least = np.linalg.norm(theta), q.min()
    slow = least ** (1 - 2 / 2) * rho * weight / np.linalg.norm(h)
    found = paper_certificate_at(point_of(problem, theta), loss_of(loss).log_weights(q, every))
    assert found.multipliers == pytest.approx(slow, rel=1e-12)
    scaled = theta / least**0.5
    residual = scaled - sum(slow[i] * rows[i] / least**0.5 for i in every)
    assert found.epsilon == pytest.approx(np.linalg.norm(residual), rel=1e-12)
    assert found.delta == pytest.approx(max(slow * (q / least - 1)), rel=1e-12)
    assert found.beta == pytest.approx(theta @ h / rho / np.linalg.norm(h), rel=1e-12)
    bound = np.sqrt(2) * (least / rho**2) ** -0.5 * np.sqrt(1 - found.beta)
    assert found.epsilon == pytest.approx(bound, rel=1e-9)


def test_cross_entropy_weights_are_the_softmax():
    rng = np.random.default_rng(0)
    outputs, y = rng.normal(size=(5, 4)), np.array([0.0, 1.0, 3.0, 3.0, 2.0])
    s, pairs = class_margins(outputs, y)
    found = loss_of("cross-entropy").log_weights(s, pairs[:, 0])
    for (i, j), margin, value in zip(pairs, s, found, strict=True):
        assert j != y[i]
        assert margin == outputs[i, int(y[i])] - outputs[i, j]
        assert value == pytest.approx(outputs[i, j] - np.log(np.exp(outputs[i]).sum()), rel=1e-12)


@pytest.mark.parametrize("loss", ["exponential", "logistic"])
def test_risks_of_1e_minus_100000_against_200_digits(loss):
    problem, theta = random_state(2)
    gates = problem.gates(theta)
    theta = theta * np.sqrt(230_300.0 / problem.margins(theta, gates).min())
    every = np.arange(6)
    q, rows = problem.margins(theta, gates), problem.rows(theta, gates, every)
    found = paper_certificate_at(point_of(problem, theta), loss_of(loss).log_weights(q, every))
    with mp.workdps(200):
        weight = [mp.exp(-mp.mpf(float(v))) for v in q]
        if loss == "logistic":
            weight = [w / (1 + w) for w in weight]
        h = [mp.fsum(w * mp.mpf(float(r)) for w, r in zip(weight, c, strict=True)) for c in rows.T]
        size = mp.sqrt(mp.fsum(v * v for v in h))
        slow = [float(np.linalg.norm(theta) * w / size) for w in weight]
        assert mp.log10(mp.fsum(weight)) < -99_999
    assert found.multipliers == pytest.approx(slow, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("loss", ["exponential", "logistic", "cross-entropy"])
@pytest.mark.parametrize("seed", range(8))
def test_lemma_bounds_hold(loss, seed):
    problem, theta = random_state(seed, scale=3.0)
    q = problem.margins(theta, problem.gates(theta))
    theta = theta * np.sqrt(3.0 / q.min())
    q = problem.margins(theta, problem.gates(theta))
    risk = np.exp(-q).sum() if loss == "exponential" else np.log1p(np.exp(-q)).sum()
    smoothed = -np.log(risk) if loss == "exponential" else -np.log(np.expm1(risk))
    found = paper_certificate_at(
        point_of(problem, theta), loss_of(loss).log_weights(q, np.arange(6))
    )
    epsilon, delta = lemma_bounds(
        loss_of(loss),
        order=2.0,
        log_risk=float(np.log(risk)),
        margin_smoothed=float(smoothed / (theta @ theta)),
        beta=found.beta,
        q_ratio=float(q.max() / q.min()),
        constraints=6,
    )
    assert found.epsilon <= epsilon
    assert found.delta <= delta


def test_lemma_says_nothing_before_its_time():
    given = {"order": 2.0, "margin_smoothed": 0.1, "beta": 0.9, "q_ratio": 2.0, "constraints": 3}
    assert np.isnan(lemma_bounds(loss_of("logistic"), log_risk=-0.5, **given)).all()


# --- the best multipliers ---


def test_vss_closed_forms():
    for problem, theta, multipliers in (
        (VSS_3_2, LIMIT_3_2, [2.0, 2.0]),
        (VSS_C_6, LIMIT_C_6, [2.0, 2.0, 1.0]),
    ):
        found = FrontSolver(point_of(problem, theta)).solve(0.0)
        assert found.multipliers == pytest.approx(multipliers, abs=1e-14)
        assert found.epsilon <= 1e-14
        assert found.active.all()


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e-1])
def test_a_wrong_point_is_no_kkt_point(size):
    rng = np.random.default_rng(0)
    theta = LIMIT_C_6 + size * rng.normal(size=6)
    found = FrontSolver(point_of(VSS_C_6, theta)).solve(np.inf)
    assert found.epsilon_low > 0.1 * size
    assert found.epsilon >= found.epsilon_low


@pytest.mark.parametrize(("constraints", "parameters", "rank"), [
    (6, 20, None), (20, 20, None), (25, 8, None), (20, 30, 5), (40, 12, 6), (12, 12, 11), (30, 3, None),
])  # fmt: skip
@pytest.mark.parametrize("seed", range(4))
def test_front_against_bounded_least_squares(seed, constraints, parameters, rank):
    point = random_point(seed, constraints, parameters, rank)
    if len(point.q) < 2:
        pytest.skip("no two constraints are met")
    front = margin_front(point, (0.01, 0.3))
    assert (np.diff(front.delta) > 0).all()
    assert (np.diff(front.epsilon) <= 1e-10 * point.norm).all()
    for delta, epsilon, low, lam in zip(
        front.delta, front.epsilon, front.epsilon_low, front.multipliers, strict=True
    ):
        excess = np.where(point.q - 1 <= 1e-13, 0.0, point.q - 1)
        assert (lam >= 0).all()
        assert (lam * excess <= delta * (1 + 1e-12)).all()
        assert epsilon == pytest.approx(np.linalg.norm(point.theta - lam @ point.rows), rel=1e-12)
        with np.errstate(divide="ignore", invalid="ignore"):
            cap = np.where(excess > 0, delta / excess, 1e9)
        free = cap > 0
        slow = lsq_linear(
            point.rows[free].T, point.theta, (0, cap[free]), "bvls", tol=1e-15, max_iter=2000
        )
        least = np.linalg.norm(slow.x @ point.rows[free] - point.theta)
        assert epsilon == pytest.approx(least, abs=1e-10 * point.norm)
        assert low <= least + 1e-12 * point.norm
        assert epsilon - low <= 1e-6 * epsilon + 1e-12 * point.norm


def test_front_against_slsqp():
    problem, theta = random_state(5)
    point = point_of(problem, theta)
    found = FrontSolver(point).solve(0.2)
    with np.errstate(divide="ignore"):
        cap = np.minimum(1e6, 0.2 / (point.q - 1))

    def half(a):
        rest = point.theta - a @ point.rows
        return 0.5 * rest @ rest, -point.rows @ rest

    slow = minimize(
        half, 0.01 * np.ones(6), jac=True, bounds=[(0, c) for c in cap], method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )  # fmt: skip
    assert found.epsilon == pytest.approx(np.sqrt(2 * slow.fun), rel=1e-6)


@pytest.mark.parametrize("delta", [0.003, 0.02, 0.3])
def test_many_constraints_are_brought_in_as_they_help(delta, monkeypatch):
    point = random_point(3, 9_000, 60)
    assert len(point.q) > 4_000
    few = FrontSolver(point).solve(delta)
    monkeypatch.setattr("workbench.theory.margin.front.FIRST", 10**6)
    every = FrontSolver(point).solve(delta)
    assert few.epsilon == pytest.approx(every.epsilon, abs=1e-6 * point.norm)
    assert every.outcome.converged
    assert few.outcome.converged


@pytest.mark.full
def test_2000_constraints_of_20000_parameters_take_seconds():
    import time

    rng = np.random.default_rng(0)
    theta = rng.normal(size=20_000)
    theta *= 3 / np.linalg.norm(theta)
    rows = rng.normal(size=(2_000, 20_000)) / 70
    q = 1 + 2 * rng.exponential(size=2_000)
    rows += np.outer((2 * q - rows @ theta) / 9, theta)
    point = MarginPoint.at(theta, q, rows, 2.0)
    start = time.process_time()
    front = margin_front(point, (0.01,))
    assert time.process_time() - start < 10
    assert (front.epsilon - front.epsilon_low <= 1e-6 * front.epsilon).all()
