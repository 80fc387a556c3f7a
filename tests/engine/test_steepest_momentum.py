"""Signum and Muon against plain loops and 60 digits, and steepest descent as long as the dual norm."""

from __future__ import annotations

from math import inf

import mpmath as mp
import numpy as np
import pytest
import torch
from cases import small

from workbench.engine.program import StopFlag
from workbench.engine.rules.rule import Evaluated
from workbench.engine.rules.steepest_momentum import SteepestMomentumRule
from workbench.engine.state import EngineState
from workbench.errors import BadInput
from workbench.norms.linf import LInf
from workbench.norms.spectral import Spectral
from workbench.run.experiment import experiment_of

STEPS = 40
LR, BETA = 3e-3, 0.8


def stepped(*settings):
    """An experiment and its θ after some steps."""
    experiment = experiment_of(small(*settings, f"train.lr={LR}", "device.engine=eager"))
    first = experiment.state.theta.clone()
    experiment.program.run_chunk(experiment.state, 0, 1, STEPS, None, StopFlag())
    return experiment, first, experiment.state.theta.numpy()


def gradient_at(experiment, theta):
    """∇𝓛 by autograd on the plain formula of the two-layer network."""
    theta = theta.clone().requires_grad_()
    u, v = (experiment.structure.parameter(part) for part in ("u", "v"))
    x, y = (torch.from_numpy(a) for a in (experiment.dataset.x, experiment.dataset.y))
    out = torch.relu(x @ theta[u.start : u.stop].view(u.shape).T) @ theta[v.start : v.stop]
    experiment.network.loss.risk(out, y).backward()
    return theta.grad


def polar(matrix):
    """(G Gᵀ)^{-½} G, by the eigenvectors of the smaller of G Gᵀ and GᵀG."""
    turned = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    size, vectors = torch.linalg.eigh(turned @ turned.T)
    found = vectors @ torch.diag(size.rsqrt()) @ vectors.T @ turned
    return found if matrix.shape[0] <= matrix.shape[1] else found.T


@pytest.mark.parametrize("rule", ["signum", "muon"])
@pytest.mark.parametrize("loss", ["square", "logistic"])
def test_steps_are_those_of_a_plain_loop(rule, loss):
    """Where the gradient is kept over a scale, and where it is not."""
    experiment, theta, found = stepped(
        f"train.rule={rule}", f"train.momentum={BETA}", f"loss.kind={loss}"
    )
    velocity = torch.zeros_like(theta)
    for _ in range(STEPS):
        velocity = BETA * velocity + gradient_at(experiment, theta)
        if rule == "signum":
            theta = theta - LR * velocity.sign()
            continue
        theta = theta.clone()
        for p in experiment.structure.parameters:
            part = slice(p.start, p.stop)
            theta[part] -= LR * polar(velocity[part].view(p.shape[0], -1)).reshape(-1)
    np.testing.assert_allclose(found, theta.numpy(), rtol=1e-7, atol=1e-9)
    assert experiment.state.time == pytest.approx(STEPS * LR)


def test_without_momentum_it_is_sign_descent():
    _, _, signum = stepped("train.rule=signum", "train.momentum=0")
    _, _, sign = stepped("train.rule=sign")
    assert signum.tobytes() == sign.tobytes()


def evaluated(gradient, log_scale):
    return Evaluated(
        (torch.tensor(gradient).double(),), torch.tensor(log_scale).double(), lambda: 0.0, 1, 1.0
    )


def test_the_momentum_of_gradients_of_any_size():
    """They fall, jump and vanish over thousands of orders of magnitude; v in 60 digits."""
    rng = np.random.default_rng(0)
    scales = [0.0, -3.0, -9.0, -9.5, -400.0, -1300.0, -1299.0, -5e3, -5e3 - 40, -1e3, -1e5, 2.0]
    gradients = rng.normal(size=(len(scales), 4)) * [1.0, 1e-3, 1e3, 0.0]
    rule = SteepestMomentumRule(Spectral(((2, 2),)), 1e-2, BETA)
    signs = SteepestMomentumRule(LInf(), 1e-2, BETA)
    states = [EngineState(torch.zeros(4, dtype=torch.float64)) for _ in range(2)]
    velocity = [mp.mpf(0)] * 4
    with mp.workdps(60):
        for gradient, scale in zip(gradients, scales, strict=True):
            at = evaluated(gradient, scale)
            move, sign = rule.move(states[0], at), signs.move(states[1], at)
            velocity = [
                mp.mpf(BETA) * v + mp.mpf(float(g)) * mp.exp(scale)
                for v, g in zip(velocity, gradient, strict=True)
            ]
            held, (log_held,) = (states[0].memory[n] for n in ("velocity", "velocity_scale"))
            assert 1e-12 < np.abs(held).max() < 1e12
            for mine, exact in zip(held, velocity, strict=True):
                assert float(mp.mpf(float(mine)) - exact * mp.exp(-log_held)) == pytest.approx(
                    0.0, abs=1e-10 * np.abs(held).max()
                )
            assert sign.direction.tolist() == [-float(mp.sign(v)) for v in velocity]
            size = np.linalg.norm(move.direction.numpy().reshape(2, 2), 2)
            assert size == pytest.approx(1.0, rel=1e-12)


def test_a_ball_that_has_stopped_rests_and_what_is_no_number_is_seen():
    rule = SteepestMomentumRule(LInf(), 1e-2, 0.5)
    state = EngineState(torch.zeros(2, dtype=torch.float64))
    move = rule.move(state, evaluated([0.0, 0.0], -800.0))
    assert (move.number, move.log_rate) == (0.0, -inf)
    assert rule.move(state, evaluated([1.0, 0.0], -900.0)).direction.tolist() == [-1.0, 0.0]
    # It rolls on without a slope, and turns where the slope outweighs it.
    assert rule.move(state, evaluated([0.0, 0.0], -900.0)).direction.tolist() == [-1.0, 0.0]
    assert rule.move(state, evaluated([-1.0, 0.0], -900.0)).direction.tolist() == [1.0, 0.0]
    assert rule.move(state, evaluated([float("nan"), 0.0], -900.0)).direction.isnan().any()


@pytest.mark.parametrize("rule", ["sign", "coordinate", "spectral"])
@pytest.mark.parametrize("loss", ["square", "logistic"])
@pytest.mark.parametrize("engine", ["eager", "auto"])
def test_unnormalized_steps_are_as_long_as_the_dual_norm(rule, loss, engine):
    settings = (
        f"train.rule={rule}",
        "train.normalized=false",
        f"loss.kind={loss}",
        "train.lr=1e-4",
    )
    experiment = experiment_of(small(*settings, f"device.engine={engine}"))
    before = experiment.state.theta.clone()
    gradient = gradient_at(experiment, before).numpy()
    norm = experiment.program.rule.norm
    experiment.program.run_chunk(experiment.state, 0, 1, 1, None, StopFlag())
    moved = experiment.state.theta.numpy() - before.numpy()
    dual = float(norm.dual(gradient))
    np.testing.assert_allclose(moved, 1e-4 * dual * norm.direction(gradient), rtol=1e-8, atol=1e-14)
    assert -gradient @ moved == pytest.approx(1e-4 * dual**2, rel=1e-8)
    assert experiment.state.time == 1e-4


def test_other_rules_are_normalized_as_they_are():
    with pytest.raises(BadInput, match=r"train\.normalized = false belongs to the rules 'sign'"):
        small("train.rule=muon", "train.normalized=false")
