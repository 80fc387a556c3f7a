"""Every network's kernel against torch autograd: outputs and pull-back, kinks, NaN and ∞."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from workbench.engine.programs.kernel.choose import FAMILIES, kernel_of
from workbench.models.convolutional import Biases, Convolution, Convolutional, Dense, Part, Pool
from workbench.models.deep_linear import DeepLinear
from workbench.models.deep_relu import DeepRelu
from workbench.models.diagonal import Diagonal
from workbench.models.network import flatten, structure_of
from workbench.models.shared_patches import SharedPatches
from workbench.models.skip_linear import SkipLinear
from workbench.models.sparse import Sparse
from workbench.models.squared_relu import SquaredRelu
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.models.two_trainable_relu import TwoTrainableRelu

Draw = Callable[[np.random.Generator], tuple[nn.Module, int]]
BOUND = 1e-12


def _widths(rng: np.random.Generator, most: int) -> list[int]:
    return [int(w) for w in rng.integers(1, 20, size=rng.integers(0, most))]


def _deep_relu(leak: float, outputs: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        d = int(rng.integers(1, 12))
        return DeepRelu(d, _widths(rng, 5), outputs, leak), d

    return draw


def _deep_linear(outputs: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        d = int(rng.integers(1, 12))
        return DeepLinear(d, _widths(rng, 6), outputs), d

    return draw


def _diagonal(activation: str) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        d = int(rng.integers(1, 12))
        return Diagonal(d, int(rng.integers(1, 6)), activation), d

    return draw


def _sparse(activation: str) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        sizes = [int(w) for w in rng.integers(1, 9, size=rng.integers(1, 5))] + [1]
        masks = [
            torch.from_numpy(rng.random((below, above)) < 0.6) for above, below in pairwise(sizes)
        ]
        for mask in masks:
            mask[0, 0] = True
        return Sparse(masks, activation), sizes[0]

    return draw


def _shared_patches(activation: str) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        patches, width = (int(v) for v in rng.integers(1, 7, size=2))
        return SharedPatches(patches * width, patches, activation), patches * width

    return draw


def _skip_linear(rng: np.random.Generator) -> tuple[nn.Module, int]:
    d = int(rng.integers(1, 12))
    return SkipLinear(d, int(rng.integers(1, 12))), d


def _convolutional(outputs: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        channels, height, width = (int(v) for v in rng.integers(1, 8, size=3))
        plan: list[Part] = []
        for _ in range(int(rng.integers(1, 4))):
            kernel = int(rng.integers(0, 3))
            plan.append(Convolution(int(rng.integers(1, 10)), 2 * kernel + 1, kernel))
            plan += [Pool()] if rng.random() < 0.7 else []
        plan += [Dense(int(w)) for w in rng.integers(1, 10, size=rng.integers(0, 2))]
        biases = ("none", "first", "all")[int(rng.integers(3))]
        image = (channels, height, width)
        return Convolutional(image, (*plan, Dense(outputs)), biases), channels * height * width

    return draw


def _two_trainable(leak: float) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        d, first, second = (int(v) for v in rng.integers(1, 14, size=3))
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], size=second))
        return TwoTrainableRelu(d, (first, second), leak, signs), d

    return draw


def _pictures(biases: Biases) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        image = (int(rng.integers(1, 3)), int(rng.integers(3, 8)), int(rng.integers(3, 8)))
        kernel = int(rng.integers(1, 4))
        parts = (
            Convolution(int(rng.integers(1, 6)), kernel, int(rng.integers(0, 3))),
            Pool(),
            Convolution(int(rng.integers(1, 6)), 3, 1),
            Pool(),
            Dense(int(rng.integers(1, 9))),
            Dense(int(rng.integers(1, 4))),
        )
        # A pool stands behind a convolution.
        left_out = (1, 3, 4, 6)[int(rng.integers(0, 4))]
        plan = tuple(part for k, part in enumerate(parts) if k != left_out)
        return Convolutional(image, plan, biases), image[0] * image[1] * image[2]

    return draw


def _squared(leak: float, d: int | None = None, width: int | None = None) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        inputs, neurons = (int(v) for v in rng.integers(1, 14, size=2))
        inputs, neurons = d or inputs, width or neurons
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], size=neurons))
        return SquaredRelu(inputs, neurons, leak, signs), inputs

    return draw


def _two_layer(leak: float, width: int | None = None) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[nn.Module, int]:
        d, neurons = (int(v) for v in rng.integers(1, 14, size=2))
        return TwoLayerRelu(
            d if width is None else 3, width or neurons, leak
        ), d if width is None else 3

    return draw


NETWORKS: dict[str, Draw] = {
    "squared relu": _squared(0.0),
    "squared leaky": _squared(0.25),
    "squared relu of the plane": _squared(0.0, 2),
    "squared leaky of the plane": _squared(0.25, 2),
    # More pre-activations than are kept from the forward pass.
    "squared, wide": _squared(0.25, 3, 701),
    "two-layer relu": _two_layer(0.0),
    "two-layer leaky": _two_layer(0.25),
    "two-layer, wide": _two_layer(0.25, 701),
    "deep relu": _deep_relu(0.0, 1),
    "deep leaky": _deep_relu(0.25, 1),
    "deep relu, leak 1": _deep_relu(1.0, 1),
    "deep relu, 4 outputs": _deep_relu(0.0, 4),
    "deep linear": _deep_linear(1),
    "deep linear, 3 outputs": _deep_linear(3),
    "diagonal": _diagonal("linear"),
    "diagonal relu": _diagonal("relu"),
    "sparse": _sparse("linear"),
    "sparse relu": _sparse("relu"),
    "shared patches": _shared_patches("linear"),
    "shared patches relu": _shared_patches("relu"),
    "skip linear": _skip_linear,
    "convolutional": _convolutional(4),
    "convolutional, 1 output": _convolutional(1),
    "pictures": _pictures("none"),
    "pictures, one bias": _pictures("first"),
    "pictures, biases": _pictures("all"),
    "two trainable relu": _two_trainable(0.0),
    "two trainable leaky": _two_trainable(0.25),
}
each = pytest.mark.parametrize("name", NETWORKS)


def by_torch(model: nn.Module, x: Tensor, weights: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs (n, C) and the gradient of Σ weights · Φ, a tensor a parameter."""
    outputs = model(x).reshape(len(x), -1)
    found = torch.autograd.grad((outputs * weights).sum(), list(model.parameters()))
    return outputs.detach(), list(found)


def by_kernel(model: nn.Module, x: Tensor, weights: Tensor) -> tuple[np.ndarray, list[np.ndarray]]:
    """The same from the network's kernel; nothing that was in its rooms before is seen."""
    structure = structure_of(model, x.shape[1])
    kernel = kernel_of(model, structure)
    assert kernel is not None
    n = len(x)
    theta = torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy()
    columns, shape = np.ascontiguousarray(x.numpy().T), kernel.shape(n)
    work, outputs = np.full(kernel.work(n), np.nan), np.full(n * kernel.outputs, np.nan)
    gradient = np.full(theta.size, np.nan)
    flat = weights.reshape(-1).numpy().copy()
    kernel.forward(theta, columns, kernel.fixed, shape, work, outputs)
    kernel.backward(theta, columns, kernel.fixed, shape, work, flat, gradient)
    parts = [structure.view(gradient, p.name) for p in structure.parameters]
    return outputs.reshape(n, -1), parts


def drawn(name: str, seed: int, scale: float, n: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A network of random shape and weights, inputs (n, d) and weights of the outputs (n, C)."""
    rng = np.random.default_rng(seed)
    model, d = NETWORKS[name](rng)
    theta = flatten(model, torch.float64, torch.device("cpu"))
    theta.copy_(torch.from_numpy(scale * rng.normal(size=len(theta))))
    outputs = model(torch.zeros(1, d, dtype=torch.float64)).numel()
    x = torch.from_numpy(rng.normal(size=(n, d)))
    return model, x, torch.from_numpy(rng.normal(size=(n, outputs)))


def close(found: np.ndarray, wanted: Tensor) -> None:
    """Within BOUND of the largest entry."""
    most = float(wanted.abs().max())
    assert np.abs(found - wanted.numpy()).max() <= BOUND * most


@each
@pytest.mark.parametrize("seed", range(12))
def test_outputs_and_gradients_are_autograds(name: str, seed: int) -> None:
    scale = (1e-8, 1e-3, 0.3, 1.0, 30.0, 1e3)[seed % 6]
    n = (1, 2, 7, 50, 301)[seed % 5]
    model, x, weights = drawn(name, seed, scale, n)
    outputs, gradients = by_torch(model, x, weights)
    found, parts = by_kernel(model, x, weights)
    close(found, outputs)
    for part, gradient in zip(parts, gradients, strict=True):
        close(part, gradient)


@each
@pytest.mark.parametrize("seed", range(6))
def test_at_kinks_the_gradient_is_torchs(name: str, seed: int) -> None:
    """Inputs and weights of small whole numbers: sums are exact, and many are 0."""
    model, x, weights = drawn(name, seed, 1.0, 40)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.round())
    x = x.round()
    x[0] = 0.0
    weights = weights.mul(4).round()
    outputs, gradients = by_torch(model, x, weights)
    found, parts = by_kernel(model, x, weights)
    assert np.array_equal(found, outputs.numpy())
    for part, gradient in zip(parts, gradients, strict=True):
        assert np.array_equal(part, gradient.numpy())


@each
def test_with_all_weights_zero(name: str) -> None:
    model, x, weights = drawn(name, 0, 0.0, 9)
    outputs, gradients = by_torch(model, x, weights)
    found, parts = by_kernel(model, x, weights)
    close(found, outputs)
    for part, gradient in zip(parts, gradients, strict=True):
        close(part, gradient)


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_seen(name: str, bad: float) -> None:
    """The last weight, above all gates: every output is NaN or infinite where torch's are."""
    model, x, weights = drawn(name, 3, 1.0, 20)
    last = list(model.parameters())[-1]
    with torch.no_grad():
        last.reshape(-1)[-1] = bad
    outputs, gradients = by_torch(model, x, weights)
    found, parts = by_kernel(model, x, weights)
    seen = ~np.isfinite(outputs.numpy())
    assert not np.isfinite(found[seen]).any()
    lost = not all(bool(g.isfinite().all()) for g in gradients)
    assert lost == (not all(np.isfinite(p).all() for p in parts))


@each
def test_a_nan_among_inputs_or_weights_reaches_the_gradient(name: str) -> None:
    model, x, weights = drawn(name, 4, 1.0, 20)
    x[3] = np.nan
    found, _ = by_kernel(model, x, weights)
    assert np.isnan(found[3]).all()
    model, x, weights = drawn(name, 4, 1.0, 20)
    _, parts = by_kernel(model, x, torch.full_like(weights, np.nan))
    assert any(np.isnan(part).any() for part in parts)


@each
def test_the_same_call_gives_the_same_bits(name: str) -> None:
    model, x, weights = drawn(name, 5, 1.0, 33)
    first, second = by_kernel(model, x, weights), by_kernel(model, x, weights)
    assert np.array_equal(first[0], second[0])
    for a, b in zip(first[1], second[1], strict=True):
        assert np.array_equal(a, b)


@each
def test_a_subclass_has_no_kernel(name: str) -> None:
    """A user's forward may do anything."""
    model, d = NETWORKS[name](np.random.default_rng(0))
    assert sum(of(model, structure_of(model, d)) is not None for of in FAMILIES) == 1
    model.__class__ = type("Own", (type(model),), {})
    assert kernel_of(model, structure_of(model, d)) is None


def test_a_negative_leak_has_no_kernel() -> None:
    """σ(s) is positive on both sides of 0 then."""
    signs = torch.ones(3, dtype=torch.float64)
    for model in (DeepRelu(2, [3], 1, -0.5), TwoTrainableRelu(2, (3, 3), -0.5, signs)):
        assert kernel_of(model, structure_of(model, 2)) is None


@pytest.mark.parametrize("name", ["deep", "two trainable", "pictures"])
def test_products_have_the_same_bits_whatever_threads_blas_has(name: str) -> None:
    """Of sizes that BLAS shares between threads where it may, which changes last bits."""
    made: dict[str, Callable[[], nn.Module]] = {
        "deep": lambda: DeepRelu(64, [300, 257], 1, 0.0),
        "two trainable": lambda: TwoTrainableRelu(64, (300, 257), 0.0, torch.ones(257).double()),
        "pictures": lambda: Convolutional(
            (1, 8, 8), (Convolution(9, 3, 1), Dense(257), Dense(1)), "none"
        ),
    }
    model = made[name]()
    theta = flatten(model, torch.float64, torch.device("cpu"))
    rng = np.random.default_rng(1)
    theta.copy_(torch.from_numpy(rng.normal(size=len(theta))))
    x = torch.from_numpy(rng.normal(size=(301, 64)))
    weights = torch.from_numpy(rng.normal(size=(301, 1)))
    found = []
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="blas"):
            found.append(by_kernel(model, x, weights))
    assert np.array_equal(found[0][0], found[1][0])
    for a, b in zip(found[0][1], found[1][1], strict=True):
        assert np.array_equal(a, b)
