"""Convolutional networks without a graph: the bits of autograd."""

from __future__ import annotations

from math import prod

import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from workbench.engine.programs.blocks import gradients_of
from workbench.engine.programs.chain import chain_of
from workbench.engine.programs.kernel.pooling import (
    pool_double,
    pool_single,
    spread_double,
    spread_single,
)
from workbench.losses.registry import loss_of
from workbench.models.cnn import cnn
from workbench.models.convolutional import Convolution, Convolutional, Dense, Pool
from workbench.models.network import flatten

SEVERAL = (
    Convolution(4, 3, 1),
    Convolution(6, 3, 1),
    Pool(),
    Convolution(6, 3, 1),
    Pool(),
    Dense(10),
)
NETWORKS = {
    "digits": lambda: cnn((1, 8, 8), (8, 16), 32, 10, "first"),
    "odd sides": lambda: cnn((3, 7, 9), (4, 6), 12, 10, "all"),
    "no biases": lambda: cnn((1, 5, 5), (3, 4), 5, 10, "none"),
    "one output": lambda: cnn((1, 5, 5), (3, 4), 5, 1, "none"),
    "several convolutions a pool": lambda: Convolutional((3, 16, 16), SEVERAL, "none"),
    "dense": lambda: Convolutional((1, 8, 8), (Dense(6), Dense(10)), "all"),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_and_gradients_are_autograds_bit_for_bit(name, dtype):
    generator = torch.Generator().manual_seed(3)
    model = NETWORKS[name]()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
    flatten(model, dtype, torch.device("cpu"))
    binary = name == "one output"
    cotangent = loss_of("logistic" if binary else "cross-entropy").cotangent
    for n in (1, 37):
        x = torch.randn(n, prod(model.image), generator=generator, dtype=torch.float64).to(dtype)
        y = torch.randint(0, 10, (n,), generator=generator).to(dtype)
        y = torch.where(y < 5, -1.0, 1.0).to(dtype) if binary else y
        parameters = list(model.parameters())
        wanted = gradients_of(model, parameters, x, y, cotangent, n)
        chain = chain_of(model, x)
        outputs, gradients, scale = chain.gradients_by(cotangent)(x, y)
        assert torch.equal(outputs, wanted[0])
        assert torch.equal(chain(x), wanted[0])
        assert torch.equal(scale, wanted[2])
        for found, expected, p in zip(gradients, wanted[1], parameters, strict=True):
            assert found.shape == p.shape
            assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (1, 3), (6, 1), (1, 1)])
def test_ties_zeros_and_numbers_that_are_none_are_pooled_as_torch_does(dtype, shape):
    generator = torch.Generator().manual_seed(5)
    # Few values, so that most windows hold several of the largest.
    h = torch.randint(-2, 3, (40, *shape), generator=generator).to(dtype)
    h[0, 0, 0], h[1, -1, -1], h[2, 0, -1] = float("nan"), float("inf"), -0.0
    h.requires_grad_(True)
    wanted = max_pool2d(torch.relu(h)[None], 2, ceil_mode=True)[0]
    g = torch.randn(wanted.shape, generator=generator, dtype=torch.float64).to(dtype)
    pooled, place = torch.empty_like(g), torch.empty(g.shape, dtype=torch.uint8)
    pool, spread = (
        (pool_single, spread_single) if dtype is torch.float32 else (pool_double, spread_double)
    )
    pool(h.detach().numpy(), pooled.numpy(), place.numpy())
    assert torch.equal(pooled.nan_to_num(7.0), wanted.detach().nan_to_num(7.0))
    back = torch.empty_like(h, requires_grad=False)
    spread(g.numpy(), place.numpy(), back.numpy())
    assert torch.equal(back, torch.autograd.grad(wanted, h, g)[0])


def test_other_networks_have_none():
    x = torch.zeros(2, 4, dtype=torch.float64)
    assert chain_of(nn.Linear(4, 1), x) is None
    pool_first = Convolutional((1, 4, 4), (Pool(), Dense(3)), "none")
    assert chain_of(pool_first, x) is None

    class Own(Convolutional):
        pass

    assert chain_of(Own((1, 2, 2), (Dense(3),), "none"), x) is None
