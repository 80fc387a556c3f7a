"""The parts of the flow against plain formulas: weights and their curvature, soft gates, both charts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.engine.flows import flow_of
from workbench.engine.programs.flow.gates import SoftGates
from workbench.losses.registry import loss_of

LABELS = {
    "exponential": np.array([1.0, -1.0, 1.0, -1.0]),
    "logistic": np.array([1.0, -1.0, 1.0, -1.0]),
    "cross-entropy": np.array([0.0, 2.0, 1.0, 1.0]),
    "exponential-cubed": np.array([1.0, -1.0, 1.0, -1.0]),
    "logistic-cubed": np.array([1.0, -1.0, 1.0, -1.0]),
}


def height(outputs, y, loss):
    return loss_of(loss).pair_weights(outputs, y).height


def outputs_for(loss, offset):
    rng = np.random.default_rng(4)
    y = LABELS[loss]
    if loss != "cross-entropy":
        return rng.standard_normal(4) + offset * y, y
    return rng.standard_normal((4, 3)) + offset * np.eye(3)[y.astype(int)], y


@pytest.mark.parametrize("offset", [0.0, 3.0, 50.0])
@pytest.mark.parametrize("loss", sorted(LABELS))
def test_weights_are_the_slope_of_minus_log_risk(loss, offset):
    outputs, y = outputs_for(loss, offset)
    found = loss_of(loss).pair_weights(outputs, y)
    for index in np.ndindex(outputs.shape):
        step = np.zeros_like(outputs)
        step[index] = 1e-5
        slope = (height(outputs + step, y, loss) - height(outputs - step, y, loss)) / 2e-5
        size = max(1.0, np.abs(found.toward).max() ** 2)
        assert found.toward[index] == pytest.approx(slope, abs=2e-9 * size)


@pytest.mark.parametrize("offset", [0.0, 3.0, 50.0])
@pytest.mark.parametrize("loss", sorted(LABELS))
def test_the_core_is_the_curvature_in_the_pairs(loss, offset):
    """Cᵀ core C, C the pairs' cotangents, is ∂²F/∂Φ²: exactly so, as s is linear in Φ."""
    outputs, y = outputs_for(loss, offset)
    pairs = loss_of(loss).pair_weights(outputs, y)
    rows = np.zeros((len(pairs.sample), *outputs.shape))
    for p, (i, cotangent) in enumerate(zip(pairs.sample, pairs.cotangent, strict=True)):
        rows[p, i] = cotangent
    rows = rows.reshape(len(rows), -1)
    whole = rows.T @ pairs.core(np.arange(len(rows))) @ rows
    for k, index in enumerate(np.ndindex(outputs.shape)):
        step = np.zeros_like(outputs)
        step[index] = 1e-5
        up, down = (loss_of(loss).pair_weights(outputs + s * step, y).toward for s in (1, -1))
        size = max(1.0, np.abs(pairs.toward).max() ** 3)
        assert np.abs(whole[k] - (up - down).ravel() / 2e-5).max() < 2e-8 * size


@pytest.mark.parametrize("height_wanted", [1e4, 2.3e5, 1e9])
def test_weights_stay_of_order_one_at_any_risk(height_wanted):
    """But for f'(q) = 3q² of the cubed losses, which is of the order of the margins squared."""
    for loss in LABELS:
        outputs, y = outputs_for(loss, height_wanted)
        found = loss_of(loss).pair_weights(outputs, y)
        whole = found.weight.sum()
        if loss_of(loss).power == 3.0:
            whole /= 3.0 * (y * outputs).min() ** 2
        assert 0.2 < whole < 1.5
        assert np.isfinite(found.core(np.arange(len(found.sample)))).all()


@pytest.mark.parametrize("leak", [0.0, 0.2])
def test_soft_gates_keep_values_and_open_over_their_width(leak):
    s = torch.tensor(
        [[-1.0], [-1e-4], [0.0], [2e-4], [0.5]], dtype=torch.float64, requires_grad=True
    )
    with SoftGates(1e-3) as gates:
        out = torch.nn.functional.leaky_relu(s, leak) if leak else torch.relu(s)
    sharp = torch.nn.functional.leaky_relu(s, leak)
    assert torch.equal(out, sharp)
    assert float(gates.width[0]) == 1e-3
    (slope,) = torch.autograd.grad(out.sum(), s)
    found = slope[:, 0].numpy()
    assert found[0] == leak
    assert found[4] == 1.0
    assert found[2] == pytest.approx((1 + leak) / 2)
    assert leak < found[1] < found[2] < found[3] < 1.0


def test_both_charts_describe_one_curve():
    """dθ/ds = ∇F near; far, du/dx and dx are its parts across and along θ, divided by the latter."""
    experiment = flow_of("linear")
    field = experiment.program.field
    theta = 1.5 * experiment.state.theta.numpy().copy()
    norm = np.linalg.norm(theta)
    near, far = field.near(theta), field.far(theta / norm, np.log(norm))
    assert near.height == pytest.approx(far.height, rel=1e-12)
    assert near.log_steep == pytest.approx(far.log_steep, rel=1e-10)
    assert near.radial == pytest.approx(far.radial, rel=1e-10)
    radial = theta @ near.slope / norm**2
    across = (near.slope - radial * theta) / norm
    assert np.abs(across / radial - far.slope).max() <= 1e-10 * np.abs(far.slope).max()


def test_the_jacobian_of_a_linear_network_is_the_whole_stiffness():
    """Φ = θ·x (a bias-free linear model): ∂f/∂y is of low rank, so differences must agree."""
    data = {"kind": "gaussian-separable", "n": 6, "d": 3, "margin": 0.3, "seed": 2}
    linear = {"kind": "torch", "class": "tests.engine.flows:Linear"}
    experiment = flow_of((data, linear, {"kind": "gaussian", "scale": 1.0}))
    field = experiment.program.field
    theta = np.array([0.8, -0.3, 0.5])
    near = field.near(theta)
    # An h this long makes every pair matter.
    jacobian, _ = field.jacobian(near, 1e12, np.inf)
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5
        wanted = (field.near_slope(theta + step, 0) - field.near_slope(theta - step, 0)) / 2e-5
        push = jacobian.back(jacobian.core @ jacobian.rows[:, k])
        assert np.abs(push - wanted).max() < 1e-8
