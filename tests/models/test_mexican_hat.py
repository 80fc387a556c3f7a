"""The homogeneous Mexican hat: h and its gradient against the appendix's formulas, its rim, its flow."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from tests.engine.flows import follow
from workbench.claims.ll20.hat import hat
from workbench.config.run import ModelConfig
from workbench.config.toml import override, parse_config
from workbench.models.build import build_model
from workbench.models.homogeneity import measure_homogeneity
from workbench.models.network import flatten, structure_of
from workbench.presets import read_preset
from workbench.run.experiment import experiment_of

MODEL = TypeAdapter(ModelConfig)
X = torch.tensor([[1.0, 0.0], [0.3, -2.0]], dtype=torch.float64)


def value_and_gradient(theta, **more):
    """h and ∇h (3) at θ = (x, y, z)."""
    model = build_model(MODEL.validate_python({"kind": "mexican-hat", **more}), (2,), 1, 0)
    flatten(model, torch.float64, torch.device("cpu")).copy_(
        torch.tensor(theta, dtype=torch.float64)
    )
    out = model(X)
    assert out.shape == (2,)
    assert out[0] == out[1]
    parts = torch.autograd.grad(out[0], list(model.parameters()))
    return float(out[0]), np.concatenate([p.numpy().ravel() for p in parts])


def on_curve(angle, rho=1.7):
    """θ with 1/(1 − r²) = φ = angle."""
    r = np.sqrt(1.0 - 1.0 / angle)
    return rho * np.array([r * np.cos(angle), r * np.sin(angle), angle**-0.5])


@pytest.mark.parametrize("power", [3, 4])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    "theta",
    [
        [0.4, -0.3, 0.9],
        [-1.0, 0.2, -0.5],
        [0.1, 0.0, 3.0],
        [2.0, 1.0, 0.6],
        *map(on_curve, (1.1, 5.0, 30.0)),
    ],
    ids=str,
)
def test_values_and_gradients_against_forty_digits(theta, order, power):
    theta = np.array(theta, dtype=float)
    found, slope = value_and_gradient(theta, order=order, power=power)
    with mp.workdps(40):
        at = [mp.mpf(v) for v in theta.tolist()]
        wanted = hat(*at, power, order)
        step = mp.mpf(10) ** -14
        gradient = []
        for i in range(3):
            ahead, behind = list(at), list(at)
            ahead[i], behind[i] = at[i] + step, at[i] - step
            gradient.append(
                float((hat(*ahead, power, order) - hat(*behind, power, order)) / (2 * step))
            )
    assert found == pytest.approx(float(wanted), rel=1e-14)
    # The dent's phase 1/(1 − r²) carries a rounding of 1e−16 relative.
    assert np.abs(slope - gradient).max() <= 1e-12 * np.abs(gradient).max()
    tangent, wanted_tangent = (
        g - theta * (g @ theta) / (theta @ theta) for g in (slope, np.array(gradient))
    )
    if np.linalg.norm(wanted_tangent) > 1e-9:
        assert np.abs(tangent - wanted_tangent).max() <= 1e-6 * np.abs(wanted_tangent).max()


@pytest.mark.parametrize("theta", [[1.0, 2.0, 0.0], [1.0, 0.0, 1e-3], [0.0, 0.0, 2.0]])
def test_rim_and_axis_are_smooth(theta):
    """h = ρ^L where the dent has underflowed, and nothing is divided by 0 at r = 0."""
    found, slope = value_and_gradient(theta, order=1.0)
    rho = np.linalg.norm(theta)
    dent = np.exp(-1.0) if theta[0] == 0.0 else 0.0
    assert found == pytest.approx(rho * (1.0 - dent), rel=1e-12)
    assert slope == pytest.approx((1.0 - dent) * np.array(theta) / rho, abs=1e-12)


def test_norms_near_the_end_of_the_floats():
    theta = np.array([0.4, -0.3, 0.9])
    found, slope = value_and_gradient(1e300 * theta, order=0.5)
    near, near_slope = value_and_gradient(theta, order=0.5)
    assert found == pytest.approx(1e150 * near, rel=1e-12)
    assert slope == pytest.approx(1e-150 * near_slope, rel=1e-12)


def test_orders_neuron_and_refusals():
    model = build_model(MODEL.validate_python({"kind": "mexican-hat", "order": 0.5}), (2,), 1, 0)
    structure = structure_of(model, 2)
    assert structure.size == 3
    assert structure.incoming(np.array([1.0, 2.0, 3.0])).tolist() == [[1.0, 2.0]]
    measured = measure_homogeneity(model, structure, X)
    assert measured.order == 0.5
    assert measured.layer_orders == (0.5,)
    for bad in ({"order": 0.0}, {"power": 2}):
        with pytest.raises(ValueError, match="mexican-hat"):
            MODEL.validate_python({"kind": "mexican-hat", **bad})


@pytest.mark.parametrize("rule", ["constant", "normalized", "flow"])
def test_it_runs_and_turns_under_every_rule(rule):
    values = override(read_preset("ll20-mexican-hat"), [f"train.rule={rule}", "train.steps=60"])
    experiment = experiment_of(parse_config(values, "test"))
    found, _ = follow(experiment, 60)
    angle = np.unwrap(found["neuron_angle"][:, 0])
    assert angle[-1] > angle[0]
    # Long steps leave the curve, which repels, to either side; the flow keeps to it for a while.
    if rule == "flow":
        assert np.all(np.diff(angle) > 0)
        assert np.all(np.diff(found["margin_smoothed"]) >= -1e-12)
