"""Losses in compiled code against those of `workbench.losses`: weights, scale, log risk, far in the tails."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.engine.programs.kernel import losses
from workbench.engine.programs.kernel.losses import CODES, code_of
from workbench.losses.logistic import Logistic
from workbench.losses.registry import LOSSES, loss_of

BOUND = 1e-12
SIZES = (1e-12, 1e-3, 1.0, 25.0, 35.0, 300.0, 720.0, 1e5)
BINARY = [name for name, loss in LOSSES.items() if loss.labels == "binary"]


class OwnLogistic(Logistic):
    """Somebody's subclass."""


def samples(name, size, seed, n=23, classes=4):
    """Outputs (n) or (n, C) of about a size on both sides, and labels."""
    rng = np.random.default_rng(seed)
    if loss_of(name).labels == "classes":
        return size * rng.normal(size=(n, classes)), rng.integers(0, classes, n).astype(float)
    outputs, y = size * rng.normal(size=n), rng.choice([-1.0, 1.0], n)
    return outputs, y if loss_of(name).labels == "binary" else size * rng.normal(size=n)


def compiled(name, outputs, y):
    """Weights over their scale, its logarithm, log risk."""
    classes = outputs.shape[1] if outputs.ndim == 2 else 1
    flat, weights = outputs.reshape(-1).copy(), np.full(outputs.size, np.nan)
    scale = losses.cotangent(CODES[type(LOSSES[name])], flat, y, classes, weights)
    risk = losses.log_risk(CODES[type(LOSSES[name])], flat, y, classes, np.empty(flat.size))
    return weights.reshape(outputs.shape), scale, risk


def python(name, outputs, y):
    """The same from the product's own."""
    loss = loss_of(name)
    weights, scale = loss.cotangent(torch.from_numpy(outputs), torch.from_numpy(y))
    risk = float(loss.log_risk(outputs[None], y, "sum")[0])
    return weights.numpy(), 0.0 if scale is None else float(scale), risk


def compare(name, outputs, y):
    weights, scale, risk = compiled(name, outputs, y)
    wanted, wanted_scale, wanted_risk = python(name, outputs, y)
    assert np.abs(weights - wanted).max() <= BOUND * np.abs(wanted).max()
    assert abs(scale - wanted_scale) <= BOUND * max(1.0, abs(wanted_scale))
    assert abs(risk - wanted_risk) <= BOUND * max(1.0, abs(wanted_risk))


def test_every_loss_has_a_number():
    assert {kind.name for kind in CODES} == LOSSES.keys()
    assert sorted(CODES.values()) == list(range(len(LOSSES)))
    assert all(code_of(loss) == CODES[type(LOSSES[name])] for name, loss in LOSSES.items())
    assert code_of(OwnLogistic()) is None


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", SIZES)
def test_outputs_on_both_sides(name, size):
    for seed in range(4):
        compare(name, *samples(name, size, seed))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_all_samples_on_one_side(name, size, side):
    outputs, y = samples(name, size, 7)
    compare(name, side * y * np.abs(outputs), y)


@pytest.mark.parametrize("size", SIZES)
def test_all_classes_right(size):
    outputs, y = samples("cross-entropy", size, 7)
    outputs[np.arange(len(y)), y.astype(int)] += 10.0 * size
    compare("cross-entropy", outputs, y)


@pytest.mark.parametrize("name", LOSSES)
def test_small_weights_keep_their_digits(name):
    """Of margins from 1 to 500 every weight is held against its own size."""
    y = np.ones(20)
    q = np.linspace(1.0, 500.0 ** (1 / 3 if "cubed" in name else 1), 20)
    if name == "cross-entropy":
        q = np.stack([np.zeros(20), q], axis=1)
    weights, scale, _ = compiled(name, q, y)
    wanted, wanted_scale, _ = python(name, q, y)
    np.testing.assert_allclose(weights * np.exp(scale - wanted_scale), wanted, rtol=BOUND)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 11])
def test_what_is_no_number_is_seen(name, bad, where):
    """log 𝓛 is NaN or infinite where the product's is, wherever the sample stands."""
    outputs, y = samples(name, 1.0, 3)
    outputs[(where, 1)[: outputs.ndim]] = bad
    with np.errstate(invalid="ignore"):
        wanted = python(name, outputs, y)[2]
    risk = compiled(name, outputs, y)[2]
    if np.isfinite(wanted):
        assert abs(risk - wanted) <= BOUND * max(1.0, abs(wanted))
    elif name == "cross-entropy":
        assert not risk < np.inf
        assert not wanted < np.inf
    else:
        assert risk == wanted or (np.isnan(risk) and np.isnan(wanted))


@pytest.mark.parametrize("name", ["logistic", "exponential"])
def test_no_risk_at_all(name):
    y = np.array([1.0, -1.0, 1.0])
    assert compiled(name, np.inf * y, y)[2] == -np.inf == python(name, np.inf * y, y)[2]
    assert compiled("square", y, y)[2] == -np.inf


def test_residuals_beyond_their_squares():
    for size in (1e-200, 1e200):
        compare("square", *samples("square", size, 2))
