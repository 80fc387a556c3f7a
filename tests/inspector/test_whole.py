"""Deep networks near the origin: KKT points of the whole θ, by layer, and when θ leaves as a whole."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.inspector.test_separates import data, run, small_state
from workbench.inspector.inspect import inspect_state
from workbench.inspector.whole_forecast import whole_words
from workbench.norms.linf import LInf
from workbench.protocol.inspections import WHOLE
from workbench.record.reader import RunReader
from workbench.tui.inspect.whole_words import whole_table

LINEAR = [[3, 2], [3, 3, 2]]


@pytest.mark.parametrize("widths", LINEAR)
def test_the_maxima_of_a_deep_linear_network(widths):
    """N = ⟨W_L ⋯ W_1, M⟩ with M = Σ_i z_i x_iᵀ is at most ‖M‖_2 Π‖W_k‖_F, with equality for aligned layers of
    rank one; under Σ‖W_k‖² = 1 the product is largest where all are L^{−1/2}: ‖M‖_2 L^{−L/2}."""
    order = len(widths) + 1
    state = small_state({"kind": "deep-linear", "widths": widths})
    point = inspect_state(state, hessian=False).as_json()["kkt"]["points"][0]
    x, _ = data()
    top = np.linalg.norm(state.z @ x)
    assert point["value"] == pytest.approx(top * order ** (-order / 2), rel=1e-12)
    assert point["residual"] < 1e-14
    for layer in point["layers"]:
        assert layer["norm"] == pytest.approx(order**-0.5, rel=1e-9)
        assert layer["expected"] == pytest.approx(order**-0.5, rel=1e-12)
        assert layer["rank_ratio"] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("widths", LINEAR)
def test_the_dimension_of_an_orbit_is_that_of_the_rotations(widths):
    """W_k → R_k W_k R_{k−1}ᵀ: the rank of dθ over skew generators of every hidden layer, a slow way."""
    state = small_state({"kind": "deep-linear", "widths": widths})
    point = inspect_state(state, hessian=False).correlation.points[0]
    layers = [state.structure.view(point.direction, f"w{k + 1}") for k in range(len(widths) + 1)]
    moves = []
    for k, (below, above) in enumerate(pairwise(layers)):
        for i in range(widths[k]):
            for j in range(i):
                turn = np.zeros((widths[k], widths[k]))
                turn[i, j], turn[j, i] = 1.0, -1.0
                rates = [np.zeros_like(w) for w in layers]
                rates[k], rates[k + 1] = turn @ below, -above @ turn
                moves.append(np.concatenate([rate.ravel() for rate in rates]))
    assert point.orbit.dimension == np.linalg.matrix_rank(np.array(moves), tol=1e-8)
    assert point.orbit.null < 1e-6 < 1e-2 < point.orbit.next


def test_no_point_of_a_deep_relu_network_is_higher_by_a_slow_search():
    state = small_state({"kind": "deep-relu", "widths": [3, 2]})
    found = inspect_state(state, hessian=False).correlation
    ncf = state.risk.joint(state.z)

    def fall(w):
        size = np.linalg.norm(w)
        u = w / size
        n, g = ncf.value(u[None])[0], ncf.gradient(u[None])[0]
        return -n, -(g - (g @ u) * u) / size

    rng = np.random.default_rng(0)
    ends = [minimize(fall, rng.normal(size=20), jac=True).fun for _ in range(12)]
    assert found.highest == pytest.approx(-min(ends), rel=1e-6)
    # An entry a maximum, not one an end: all are KKT points, but for the highest nothing is assumed.
    assert all(point.residual <= 1e-6 for point in found.points)
    assert len({round(point.value, 6) for point in found.points}) == len(found.points)
    assert "what they missed is not known" in found.reason
    assert not found.complete


@pytest.mark.parametrize(
    ("model", "scale"),
    [
        ({"kind": "deep-linear", "widths": [3, 3]}, 0.05),
        ({"kind": "deep-linear", "widths": [3, 2, 2]}, 0.1),
        ({"kind": "deep-relu", "widths": [4, 3]}, 0.05),
        ({"kind": "diagonal", "depth": 3}, 0.05),
    ],
)
def test_plain_descent_leaves_within_the_interval(model, scale):
    state = small_state(model, scale=scale)
    found = inspect_state(state, hessian=False)
    whole = found.forecast.whole
    assert found.judgement.verdict == "saddle"
    theta, steps = state.theta.copy(), 0
    while np.linalg.norm(theta) < whole.radius and steps < 5_000:
        gradient, log = state.risk.gradient(theta)
        theta, steps = theta - state.learning_rate * np.exp(log) * gradient, steps + 1
    assert whole.escape_steps_low <= steps <= whole.escape_steps_high + 1
    assert whole.escape_steps_high < 1.2 * whole.escape_steps_low
    # There the risk has fallen by the stated share, to first order.
    fall = -np.expm1(state.risk.log_risk(theta) - state.log_risk)
    assert fall == pytest.approx(0.01, rel=0.2)
    assert whole.target is not None
    assert any("infinite at step" in sentence for sentence in whole_words(whole, 0))
    assert len(whole_table(found).rows) == 1
    json.dumps(found.as_json()["whole"])


def test_the_time_goes_like_a_power_of_the_size():
    def blown(scale):
        state = small_state({"kind": "deep-linear", "widths": [3, 2, 2]}, scale=scale)
        return inspect_state(state, hessian=False).forecast.whole.blow_up_time

    assert blown(1e-3) == pytest.approx(100.0 * blown(1e-2), rel=1e-3)


def test_no_forecast_where_the_theory_has_none():
    state = small_state({"kind": "deep-relu", "widths": [3, 2]})
    other = inspect_state(state.of(
        state.risk, state.structure, state.theta, order=3.0, learning_rate=1e-3, norm=LInf()
    ), hessian=False)  # fmt: skip
    assert other.forecast.whole is None
    assert any("along the gradient itself" in sentence for sentence in other.limits)
    off = state.at(-np.abs(state.theta))
    dead = inspect_state(off, hessian=False)
    assert dead.forecast.whole.escape_time == np.inf
    assert any("to 0, or nowhere" in sentence for sentence in dead.limits)


def test_a_run_is_forecast_recorded_and_scored(tmp_path):
    folder = run(
        tmp_path,
        steps=6000,
        model={"kind": "deep-linear", "widths": [3, 3]},
        init={"kind": "gaussian", "scale": 0.02},
        train={"lr": 0.01, "steps": 6000},
    )
    with RunReader(folder) as reader:
        kept = reader.inspections()
        norm, time = reader.read("rho"), reader.read("time")
    first = next(one for one in kept if one.first == WHOLE)
    assert first.verdict == "saddle"
    assert (first.outcome.kind, first.outcome.neuron) == ("left", WHOLE)
    assert first.outcome.time_inside == 1
    assert abs(first.outcome.time_error) < 0.02
    row = int(np.argmax(norm >= first.radius))
    # Records are five steps of 0.01 apart.
    assert time[row] - first.time == pytest.approx(first.wait, abs=0.06)
