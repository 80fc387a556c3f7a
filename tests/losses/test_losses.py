"""Every loss against 60 digits, margins from 1e−300 to 1e5: value, slope, inverse, cotangent, curvature."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import mpmath as mp
import numpy as np
import pytest
import torch

from workbench.config.run import LossConfig
from workbench.errors import BadInput
from workbench.losses.binary import BinaryLoss
from workbench.losses.loss import MarginLoss
from workbench.losses.registry import LOSSES, loss_of, names_where

BINARY = [name for name, loss in LOSSES.items() if isinstance(loss, BinaryLoss)]
MARGIN = [name for name, loss in LOSSES.items() if isinstance(loss, MarginLoss)]
SIZES = [0.0, 1e-300, 1e-20, 1e-9, 1e-3, 0.1, 0.4, 0.9, 1.0, 2.5, 3.1, 9.0, 31.0, 750.0, 1e5]
MARGINS = [sign * size for size in SIZES for sign in (1.0, -1.0)]


def power(name):
    return loss_of(name).power


def slow_loss(name, q):
    """ℓ(q) by its definition."""
    s = q**3 if "cubed" in name else q
    small = mp.e ** (-s)
    return small if "exponential" in name else mp.log1p(small)


def slow_slope(name, q):
    """−ℓ'(q) by the chain rule."""
    s = q**3 if "cubed" in name else q
    small = mp.e ** (-s)
    outer = small if "exponential" in name else small / (1 + small)
    return 3 * q**2 * outer if "cubed" in name else outer


def room(name, q):
    """Relative error of e^{−q^p} that the rounding of q^p to a float leaves."""
    return 1e-15 * (4.0 + 3.0 * abs(q) ** power(name))


def test_the_registry_has_the_names_of_the_configuration():
    assert set(get_args(LossConfig.model_fields["kind"].annotation)) == {*LOSSES, "torch"}
    assert all(loss.name == name for name, loss in LOSSES.items())
    with pytest.raises(BadInput, match="Did you mean 'logistic'"):
        loss_of("logisitc")
    assert names_where(lambda loss: loss.regression) == "'square'"


def test_losses_need_no_torch():
    code = "import sys, workbench.losses.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("q", MARGINS)
def test_log_loss_and_slope_have_sixty_digits_behind_them(name, q):
    loss = loss_of(name)
    with mp.workdps(60):
        exact = mp.mpf(q)
        log_loss = mp.log(slow_loss(name, exact))
        slope = slow_slope(name, exact)
        log_slope = mp.log(slope) if slope else mp.mpf("-inf")
        found = loss.log_loss(np.array([q]))[0]
        assert abs(found - log_loss) <= 4e-15 * max(1, abs(log_loss))
        with np.errstate(over="ignore"):
            found = loss.slope(np.array([q]))[0]
        if slope > mp.mpf("1e308"):
            assert found == np.inf
        elif slope > mp.mpf("1e-300"):
            assert abs(found / slope - 1) <= room(name, q)
        else:
            assert 0.0 <= found <= 1e-299
        found = loss.log_slope(np.array([q]))[0]
        if slope:
            assert abs(found - log_slope) <= 4e-15 * max(1, abs(log_slope), abs(q) ** power(name))
        else:
            assert found == -np.inf


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("q", [-40.0, -2.0, -0.3, 1e-3, 0.4, 1.0, 3.0, 40.0])
def test_slope_and_bend_are_the_derivatives(name, q):
    """Differences of 60-digit values, so that they are good to 1e−12 themselves."""
    loss = loss_of(name)
    with mp.workdps(80):
        h = mp.mpf(10) ** -25
        up, here, down = (slow_loss(name, mp.mpf(q) + k * h) for k in (1, 0, -1))
        slope, bend = -(up - down) / (2 * h), (up - 2 * here + down) / h**2
        height = float(-mp.log(here))
        weight = loss.weight(np.array([q]), height)
        found = float(loss.bend(np.array([q]), weight, height)[0])
        allowed = room(name, q) + 1e-15 * abs(height)
        assert abs(weight[0] / (slope / here) - 1) <= allowed
        joined = float(weight[0] ** 2 * mp.e ** -mp.mpf(height)) if loss.joined else 0.0
        size = abs(bend / here) + abs(joined) + weight[0] * (1.0 + 3.0 * q * q)
        assert abs(found - joined - bend / here) <= allowed * size + 1e-20


@pytest.mark.parametrize("name", MARGIN)
@pytest.mark.parametrize("q", [1e-3, 0.1, 0.5, 1.0, 2.0, 3.0, 10.0, 20.5, 45.0, 1e3, 1e5])
def test_the_inverse_undoes_the_loss(name, q):
    loss = loss_of(name)
    binary = name if isinstance(loss, BinaryLoss) else "logistic"
    with mp.workdps(60):
        log_value = float(mp.log(slow_loss(binary, mp.mpf(q))))
        value = mp.e ** mp.mpf(log_value)
        exact = -mp.log(value if "exponential" in name else mp.expm1(value))
        exact = mp.cbrt(exact) if "cubed" in name else exact
        found = loss.inverse(np.array([log_value]))[0]
        # q^p is found to 1e−15 absolute, as the risk's last bit allows; the root divides that by 3q².
        absolute = 1e-15 / (3.0 * q * q) if power(name) > 1 else 1e-15
        assert abs(found - exact) <= 1e-14 * abs(exact) + absolute
        if -log_value >= 0.5:
            assert abs(loss.inverse_at(-log_value) - exact) <= 1e-14 * max(1, abs(exact))
    if q >= 0.5:
        assert found == pytest.approx(q, rel=1e-12)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1.0, 8.0, 60.0])
def test_cotangents_are_the_slopes(name, scale):
    rng = np.random.default_rng(3)
    y = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    outputs = scale * y * (1.0 + 0.1 * rng.random(5))
    weights, top = loss_of(name).cotangent(torch.from_numpy(outputs), torch.from_numpy(y))
    with mp.workdps(60):
        for weight, phi, label in zip(weights.numpy(), outputs, y, strict=True):
            q = mp.mpf(float(phi)) * mp.mpf(float(label))
            exact = -mp.mpf(float(label)) * slow_slope(name, q) / mp.e ** mp.mpf(float(top))
            if abs(exact) > mp.mpf("1e-290"):
                assert abs(mp.mpf(float(weight)) / exact - 1) <= 3 * room(name, float(q))
            else:
                assert abs(weight) <= 1e-289


def test_a_cubed_loss_stands_still_where_all_outputs_are_zero():
    y = torch.tensor([1.0, -1.0], dtype=torch.float64)
    for name in ("exponential-cubed", "logistic-cubed"):
        weights, top = loss_of(name).cotangent(torch.zeros(2, dtype=torch.float64), y)
        assert (weights == 0).all()
        assert torch.isfinite(top)
        assert (loss_of(name).scaled_residual(np.zeros(2), y.numpy()) == 0.0).all()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_ways_to_differentiate_agree(name):
    """Cotangent, residual, scaled residual and pair weights against autograd on the risk itself."""
    loss, rng = loss_of(name), np.random.default_rng(5)
    classes = loss.labels == "classes"
    y = np.array([2.0, 0.0, 1.0, 2.0]) if classes else np.array([1.0, -1.0, -1.0, 1.0])
    outputs = rng.normal(size=(4, 3) if classes else 4)
    assert loss.outputs(y) == (3 if classes else 1)
    held, label = torch.from_numpy(outputs).requires_grad_(True), torch.from_numpy(y)
    risk = loss.risk(held, label)
    (slope,) = torch.autograd.grad(risk, held)
    assert loss.log_risk(outputs[None], y, "sum")[0] == pytest.approx(np.log(risk.item()))
    mean = loss.log_risk(outputs[None], y, "mean")[0]
    assert mean == pytest.approx(np.log(risk.item() / 4.0))
    weights, top = loss.cotangent(held.detach(), label)
    scale = 1.0 if top is None else top.exp().item()
    assert scale * weights.numpy() == pytest.approx(slope.numpy(), rel=1e-12)
    z = loss.residual(outputs, y)
    assert z == pytest.approx(-slope.numpy(), rel=1e-12)
    assert loss.scaled_residual(outputs, y) == pytest.approx(z / np.abs(z).max(), rel=1e-12)
    assert loss.scaled_residual(outputs, y).shape == z.shape
    pairs = loss.pair_weights(outputs, y)
    wanted = z if loss.regression else z / risk.item()
    assert pairs.toward == pytest.approx(wanted, rel=1e-12)
    assert pairs.height == pytest.approx(-np.log(risk.item()))
    zero = loss.log_risk(np.zeros((1, *outputs.shape)), y, "sum")[0]
    assert loss.log_risk_at_zero(outputs.shape, y, "sum") == zero


@pytest.mark.parametrize("name", MARGIN)
def test_log_weights_are_those_of_the_gradient(name):
    loss = loss_of(name)
    if isinstance(loss, BinaryLoss):
        q, samples = np.array([0.5, 1.0, 2.0]), np.arange(3)
        wanted = [float(mp.log(slow_slope(name, mp.mpf(v)))) for v in q]
    else:
        # Two classes against one label each time: e^{−s_ij}/(1 + Σ_k e^{−s_ik}).
        q, samples = np.array([0.5, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 1])
        total = 1.0 + np.array([np.exp(-q[:2]).sum(), np.exp(-q[2:]).sum()])
        wanted = np.log(np.exp(-q) / total[samples])
    assert loss.log_weights(q, samples) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("name", MARGIN)
def test_constants_of_the_certificate(name):
    """K, b_g and ℓ(b_f) of LL20 (B3.4) and (B4) on a fine grid, θ from ½ to 1, b_f = 0."""
    loss = loss_of(name)
    binary = loss if isinstance(loss, BinaryLoss) else loss_of("logistic")
    at_zero = binary.log_loss(np.zeros(1))[0]
    assert loss.log_separating == pytest.approx(at_zero, abs=1e-15)
    assert loss.begin == pytest.approx(max(-2.0 * at_zero, -at_zero), abs=1e-7)
    first = loss.inverse(np.array([-max(loss.begin, 1e-9)]))[0]
    y = np.concatenate([np.geomspace(first, 2.0, 200_001), np.geomspace(2.0, 40.0, 50_001)])

    def rate(q):
        return np.exp(binary.log_slope(q) - binary.log_loss(q))

    worst = max((rate(y) / rate(t * y)).max() for t in np.linspace(0.5, 1, 21))
    assert worst <= loss.growth * (1.0 + 1e-10)
    assert loss.growth <= worst * 1.00001
    # g'(x) = 1/f'(g(x)) never grows by more than K from θx to x.
    x = np.geomspace(max(loss.begin, 1e-6) * 2.0, 1e3, 2001)
    for t in np.linspace(0.5, 1, 21):
        assert (rate(loss.inverse(-t * x)) <= loss.growth * rate(loss.inverse(-x))).all()
    # f grows like q^power.
    far = binary.log_loss(np.array([40.0, 80.0]))
    assert np.log2(far[1] / far[0]) == pytest.approx(loss.power, rel=1e-6)


def test_convexity_is_what_the_losses_say():
    q = np.linspace(-3.0, 3.0, 601)
    for name in BINARY:
        loss = loss_of(name)
        height = np.zeros(len(q))
        weight = np.concatenate([loss.weight(q[i : i + 1], 0.0) for i in range(len(q))])
        bend = loss.bend(q, weight, 0.0) - (weight**2 if loss.joined else height)
        assert loss.convex == bool((bend >= -1e-12).all())


@pytest.mark.parametrize("scale", [1e-9, 0.4, 3.0, 40.0, 1e4])
@pytest.mark.parametrize("name", LOSSES)
def test_the_risk_of_a_tensor_is_that_of_an_array(name, scale):
    loss = loss_of(name)
    rng = np.random.default_rng(3)
    classes = loss.labels == "classes"
    outputs = scale * rng.normal(size=(11, 3) if classes else 11)
    y = rng.integers(0, 3, 11).astype(float) if classes else np.sign(rng.normal(size=11))
    given = torch.from_numpy(outputs), torch.from_numpy(y)
    losses = loss.log_losses(outputs[None], y)[0]
    assert np.allclose(loss.log_losses_tensor(*given).numpy(), losses, rtol=1e-13, atol=1e-15)
    wanted = loss.log_risk(outputs[None], y, "sum")[0]
    assert float(loss.log_risk_tensor(*given)) == pytest.approx(wanted, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("name", BINARY)
def test_the_tensor_s_risk_sees_what_is_no_number(name):
    loss = loss_of(name)
    y = torch.ones(3, dtype=torch.float64)
    for worst, wanted in ((np.nan, np.nan), (np.inf, None), (-np.inf, np.inf)):
        outputs = torch.tensor([1.0, worst, 2.0], dtype=torch.float64)
        slow = loss.log_risk(outputs.numpy()[None], y.numpy(), "sum")[0]
        found = float(loss.log_risk_tensor(outputs, y))
        assert np.array_equal(found, slow, equal_nan=True) or found == pytest.approx(slow)
        assert wanted is None or np.array_equal(found, wanted, equal_nan=True)
    everywhere = torch.full((3,), np.inf, dtype=torch.float64)
    assert float(loss.log_risk_tensor(everywhere, y)) == -np.inf
