"""The square loss of several targets a sample against loops over them."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch

from workbench.losses.square import Square

RNG = np.random.default_rng(5)
LOSS = Square()


def test_logarithms_of_the_loss_have_digits_behind_them_at_every_size():
    y = np.zeros((4, 3))
    for size in (1.0, 1e-9, 1e-200, 1e200):
        outputs = size * RNG.standard_normal((2, 4, 3))
        found = LOSS.log_losses(outputs, y)
        tensor = [LOSS.log_losses_tensor(torch.from_numpy(o), torch.from_numpy(y)) for o in outputs]
        with mp.workdps(40):
            for t in range(2):
                for i in range(4):
                    parts = [
                        mp.mpf(a) - mp.mpf(b) for a, b in zip(outputs[t, i], y[i], strict=True)
                    ]
                    exact = mp.log(sum(p * p for p in parts) / 2)
                    assert found[t, i] == pytest.approx(float(exact), abs=1e-13, rel=1e-13)
                    assert float(tensor[t][i]) == pytest.approx(float(exact), abs=1e-13, rel=1e-13)
    assert np.isneginf(LOSS.log_losses(y[None], y)).all()


def test_a_row_has_the_bits_it_has_alone():
    outputs, y = RNG.standard_normal((7, 5, 3)), RNG.standard_normal((5, 3))
    whole = LOSS.log_risk(outputs, y, "mean")
    alone = np.concatenate([LOSS.log_risk(row[None], y, "mean") for row in outputs])
    assert whole.tobytes() == alone.tobytes()


def test_slopes_are_those_of_the_risk():
    outputs, y = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 3))
    free = torch.from_numpy(outputs.copy()).requires_grad_()
    risk = LOSS.risk(free, torch.from_numpy(y))
    assert float(risk.detach()) == pytest.approx(
        sum(0.5 * (outputs[i, j] - y[i, j]) ** 2 for i in range(4) for j in range(3))
    )
    assert float(np.exp(LOSS.log_risk(outputs[None], y, "sum")[0])) == pytest.approx(
        float(risk.detach())
    )
    (slope,) = torch.autograd.grad(risk, free)
    assert LOSS.residual(outputs, y) == pytest.approx(-slope.numpy())
    weights, scale = LOSS.cotangent(torch.from_numpy(outputs), torch.from_numpy(y))
    assert scale is None
    assert weights.numpy() == pytest.approx(slope.numpy())
    scaled = LOSS.scaled_residual(outputs, y)
    assert np.abs(scaled).max() == 1.0
    assert scaled == pytest.approx(-slope.numpy() / np.abs(slope.numpy()).max())
    assert LOSS.outputs(y) == 3


def test_every_number_of_a_target_is_a_pair():
    outputs, y = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 3))
    pairs = LOSS.pair_weights(outputs, y)
    assert pairs.toward == pytest.approx(y - outputs)
    values = (outputs[pairs.sample] * pairs.cotangent).sum(axis=1)
    assert values == pytest.approx(outputs.reshape(-1))
    assert pairs.core(np.arange(12)) == pytest.approx(-np.eye(12))
