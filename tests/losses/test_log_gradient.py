"""Risk and gradient against 60-digit arithmetic, from 1e2 down to 1e−10000 (LL20 App. K.2)."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import reference_rules as slow_rules
import torch

from workbench.losses.registry import loss_of

TARGETS = [2, 0, -1, -5, -12, -13.1, -100, -307, -320, -1000, -10_000]
DIGITS = 1e-12


def at_risk(log10_risk, loss):
    """A network and samples whose summed risk is about that; margins spread by a few units."""
    rng = np.random.default_rng(7)
    u, x = rng.standard_normal((4, 2)), rng.standard_normal((6, 2))
    signs = np.array([1.0, -1.0, 1.0, -1.0])
    y = np.sign(np.maximum(x @ u.T, 0.0) ** 2 @ signs)
    q = y * (np.maximum(x @ u.T, 0.0) ** 2 @ signs)
    # Samples are scaled so that every margin is as wanted: Φ is 2-homogeneous in x as well.
    wanted = -log10_risk * np.log(10.0) + rng.random(6) * 3.0
    if log10_risk > 0:
        wanted = -(10.0**log10_risk) / 6.0 * (1.0 + rng.random(6)) if loss == "logistic" else wanted
        y = -y
    return u, x * np.sqrt(np.abs(wanted) / q)[:, None], y, signs


def exact(u, x, y, signs, loss):
    number = np.vectorize(mp.mpf, otypes=[object])
    arguments = (number(u).tolist(), [mp.mpf(s) for s in signs])
    return slow_rules.risk_and_gradient(
        *arguments, number(x).tolist(), [mp.mpf(v) for v in y], loss, range(len(y))
    )


@pytest.mark.parametrize("log10_risk", TARGETS)
@pytest.mark.parametrize("loss", ["exponential", "logistic"])
def test_risk_and_gradient_have_twelve_digits(loss, log10_risk):
    u, x, y, signs = at_risk(log10_risk, loss)
    with mp.workdps(60):
        # What float64 forward passes cannot represent is no error of the risk: margins are the input.
        risk, grad = exact(u, x, y, signs, loss)
        wanted_log, wanted = mp.log(risk), [[g / risk for g in row] for row in grad]
    weights = torch.from_numpy(u).requires_grad_(True)
    outputs = torch.relu(torch.from_numpy(x) @ weights.T).square() @ torch.from_numpy(signs)
    held = outputs.detach()
    found_log = loss_of(loss).log_risk(held.numpy()[None], y, "sum")[0]
    cotangent, top = loss_of(loss).cotangent(held, torch.from_numpy(y))
    (pulled,) = torch.autograd.grad(outputs, weights, cotangent)
    assert abs(found_log - wanted_log) <= DIGITS * max(1, abs(wanted_log))
    # q itself carries a rounding of 1e−16 relative, which e^{−q} magnifies by q.
    allowed = max(DIGITS, 1e-15 * abs(float(wanted_log)))
    found = pulled.numpy() * np.exp(float(top) - found_log)
    reference = np.array([[float(v) for v in row] for row in wanted])
    assert np.abs(found - reference).max() <= allowed * np.abs(reference).max()
    assert abs(np.log10(np.e) * found_log - log10_risk) < 3
    assert np.isfinite(found).all()


@pytest.mark.parametrize("log10_risk", TARGETS)
@pytest.mark.parametrize("loss", ["exponential", "logistic", "cross-entropy"])
def test_cotangents_of_given_margins_have_twelve_digits(loss, log10_risk):
    """The margins being given as float64, nothing is lost at any risk."""
    rng = np.random.default_rng(3)
    q = -log10_risk * np.log(10.0) + 3.0 * rng.random(5)
    y = np.ones(5)
    with mp.workdps(60):
        exponents = [mp.e ** (-mp.mpf(v)) for v in q]
        plain = loss == "exponential"
        risk = mp.fsum(e if plain else mp.log1p(e) for e in exponents)
        slopes = [e if plain else e / (1 + e) for e in exponents]
        wanted_log = mp.log(risk)
    outputs = np.stack([np.zeros(5), q], axis=1) if loss == "cross-entropy" else q
    found_log = loss_of(loss).log_risk(outputs[None], y, "sum")[0]
    cotangent, top = loss_of(loss).cotangent(torch.from_numpy(outputs), torch.from_numpy(y))
    weights = -cotangent.numpy() if loss != "cross-entropy" else -cotangent.numpy()[:, 1]
    with mp.workdps(60):
        scaled = np.array([float(v / mp.e ** mp.mpf(float(top))) for v in slopes])
    assert abs(found_log - wanted_log) <= DIGITS * max(1, abs(wanted_log))
    assert np.abs(weights / scaled - 1.0).max() <= DIGITS
