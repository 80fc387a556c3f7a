"""Heavy ball and Adam against torch.optim, and where the gradient is far below a float against 60 digits."""

from __future__ import annotations

from math import inf

import mpmath as mp
import numpy as np
import pytest
import torch
from cases import finished, small

from workbench.engine.program import StopFlag
from workbench.engine.rules.adam import AdamRule
from workbench.engine.rules.momentum import MomentumRule
from workbench.engine.rules.rule import Evaluated
from workbench.engine.state import EngineState
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of

STEPS = 60
OPTIMIZERS = {
    "momentum": (
        ("train.rule=momentum", "train.lr=2e-3", "train.momentum=0.8"),
        lambda p: torch.optim.SGD(p, lr=2e-3, momentum=0.8),
    ),
    "adam": (
        ("train.rule=adam", "train.lr=1e-2", "train.beta2=0.99"),
        lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.9, 0.99)),
    ),
    "adam-0": (
        ("train.rule=adam", "train.lr=1e-2", "train.epsilon=0"),
        lambda p: torch.optim.Adam(p, lr=1e-2, eps=0.0),
    ),
}


def both_ways(name, *settings):
    """θ after some steps of the workbench and of torch.optim from the same start."""
    given, made = OPTIMIZERS[name]
    experiment = experiment_of(small(*given, *settings))
    x, y = experiment.program.x, experiment.program.y
    theta = experiment.state.theta.clone().requires_grad_()
    optimizer = made([theta])
    u, v = (experiment.structure.parameter(part) for part in ("u", "v"))
    for _ in range(STEPS):
        optimizer.zero_grad()
        out = torch.relu(x @ theta[u.start : u.stop].view(u.shape).T) @ theta[v.start : v.stop]
        experiment.network.loss.risk(out, y).backward()
        optimizer.step()
    experiment.program.run_chunk(experiment.state, 0, 1, STEPS, None, StopFlag())
    return experiment.state.theta.detach().numpy(), theta.detach().numpy()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch(name):
    """To the rounding of 60 steps, where the gradient is kept over a scale and where it is not."""
    for settings, rtol in (
        (("loss.kind=square",), 1e-13),
        (("loss.kind=logistic",), 1e-11),
        (("loss.kind=logistic", "device.dtype=float32"), 1e-4),
    ):
        ours, theirs = both_ways(name, *settings)
        np.testing.assert_allclose(ours, theirs, rtol=rtol, err_msg=str(settings))


def evaluated(gradient, log_scale):
    return Evaluated(
        (torch.tensor(gradient).double(),), torch.tensor(log_scale).double(), lambda: 0.0, 1, 1.0
    )


@pytest.mark.parametrize("epsilon", [0.0, 1e-8])
def test_adams_steps_at_gradients_of_any_size(epsilon):
    """Gradients that fall, jump and vanish over hundreds of orders of magnitude; e^{s}g in 60 digits."""
    rng = np.random.default_rng(0)
    scales = [0.0, -3.0, -9.0, -9.5, -400.0, -1300.0, -1299.0, -5e3, -5e3 - 40, -1e3, -1e5, 2.0]
    gradients = rng.normal(size=(len(scales), 4)) * [1.0, 1e-3, 1e3, 0.0]
    rule = AdamRule(1e-2, 0.9, 0.99, epsilon)
    state = EngineState(torch.zeros(4, dtype=torch.float64))
    first, second = [mp.mpf(0)] * 4, [mp.mpf(0)] * 4
    with mp.workdps(60):
        for t, (gradient, scale) in enumerate(zip(gradients, scales, strict=True), start=1):
            move = rule.move(state, evaluated(gradient, scale))
            expected = []
            for k, g in enumerate(mp.mpf(float(g)) * mp.exp(scale) for g in gradient):
                first[k] = mp.mpf(0.9) * first[k] + (1 - mp.mpf(0.9)) * g
                second[k] = mp.mpf(0.99) * second[k] + (1 - mp.mpf(0.99)) * g * g
                root = mp.sqrt(second[k] / (1 - mp.mpf(0.99) ** t)) + epsilon
                hat = first[k] / (1 - mp.mpf(0.9) ** t)
                expected.append(float(-mp.mpf(1e-2) * hat / root) if root else 0.0)
            np.testing.assert_allclose(move.direction, expected, rtol=1e-10, atol=1e-300)
    assert move.number == 1.0
    assert state.memory["moments"].shape == (2, 4)


def test_what_has_no_gradient_rests_and_what_is_no_number_is_seen():
    rule = AdamRule(1e-2, 0.9, 0.999, 0.0)
    state = EngineState(torch.zeros(2, dtype=torch.float64))
    move = rule.move(state, evaluated([0.0, 0.0], -800.0))
    assert move.log_rate == -inf
    assert not move.direction.any()
    move = rule.move(state, evaluated([1.0, 0.0], -900.0))
    assert move.log_rate == pytest.approx(np.log(1e-2))
    assert move.direction[0] < 0.0 == move.direction[1]
    assert rule.move(state, evaluated([float("nan"), 0.0], -900.0)).direction.isnan().any()


def test_a_ball_rolls_on_without_a_slope():
    rule = MomentumRule(0.1, 0.5)
    state = EngineState(torch.zeros(1, dtype=torch.float64))
    pushes = [rule.move(state, evaluated([g], 0.0)) for g in (1.0, 0.0, 0.0)]
    assert [float(m.number * m.direction) for m in pushes] == [-0.1, -0.05, -0.025]
    assert state.time == pytest.approx(3 * 0.2)


def test_a_run_tells_how_it_is_stepped(tmp_path):
    session = finished(tmp_path, *OPTIMIZERS["adam"][0], "train.steps=20")
    with RunReader(session.folder) as reader:
        assert np.asarray(reader.read("learning_rate_log"))[-1] == np.log(1e-2)
        assert reader.attributes["engine"] == "eager"
    assert any("Adam's" in text for _, _, text in session.events)
