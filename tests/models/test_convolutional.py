"""CNN, H-AlexNet and VGG: values and gradients against loops over pixels, sizes, orders, starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from reference import picture_output

from workbench.config.init import InitConfig
from workbench.config.run import ModelConfig
from workbench.models.build import build_model
from workbench.models.convolutional import Convolution, Convolutional, Dense, Pool, image_of
from workbench.models.homogeneity import measure_homogeneity
from workbench.models.network import flatten, structure_of
from workbench.models.start import first_theta

MODEL, INIT = TypeAdapter(ModelConfig), TypeAdapter(InitConfig)
CNN = {"kind": "cnn", "channels": [2, 3], "width": 6}
ALEXNET = {"kind": "alexnet", "channels": [2, 3], "widths": [6, 5]}
VGG = {"kind": "vgg", "channels": [8, 8, 8, 8, 8]}


def started(table, input_shape, outputs=3, seed=1):
    model = build_model(MODEL.validate_python(table), input_shape, outputs, 0)
    structure = structure_of(model, int(np.prod(input_shape)))
    rng = np.random.default_rng(seed)
    theta = first_theta(INIT.validate_python({"kind": "he", "seed": seed}), structure)
    theta = theta + 0.05 * rng.standard_normal(theta.shape)
    flatten(model, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(theta))
    return model, structure, theta


def stages_of(model, structure, theta):
    """The plan with its weights, as the slow loops take it; absent biases are zeros."""
    k, found = 0, []
    for stage in model.plan:
        if isinstance(stage, Pool):
            found.append(("pool",))
            continue
        k += 1
        w = structure.view(theta, f"w{k}")
        named = any(p.name == f"b{k}" for p in structure.parameters)
        b = structure.view(theta, f"b{k}") if named else np.zeros(len(w))
        if isinstance(stage, Convolution):
            found.append(("conv", w, b, stage.padding))
        else:
            found.append(("dense", w, b))
    return found


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        (CNN, (64,)),
        (CNN | {"biases": "all"}, (1, 7, 5)),
        (ALEXNET, (64,)),
        (ALEXNET, (3, 16, 17)),
        (VGG, (3, 8, 8)),
        (VGG | {"biases": "first"}, (9, 9)),
    ],
    ids=str,
)
def test_values_and_gradients_equal_loops_over_pixels(table, shape):
    model, structure, theta = started(table, shape)
    x = np.random.default_rng(5).uniform(size=(2, *shape))
    outputs = model(torch.from_numpy(x))
    assert outputs.shape == (2, 3)
    parameters = list(model.parameters())
    for i in range(2):
        for j in (0, 2):
            value, grads = picture_output(
                stages_of(model, structure, theta), x[i].reshape(model.image), j
            )
            assert outputs[i, j].item() == pytest.approx(value, rel=1e-12)
            found = torch.autograd.grad(outputs[i, j], parameters, retain_graph=True)
            by_name = dict(zip([p.name for p in structure.parameters], found, strict=True))
            for k, (dw, db) in enumerate(grads, start=1):
                top = np.abs(dw).max()
                assert top > 0, "a dead network tests nothing"
                assert np.abs(by_name[f"w{k}"].numpy() - dw).max() <= 1e-12 * top
                if f"b{k}" in by_name:
                    assert np.abs(by_name[f"b{k}"].numpy() - db).max() <= 1e-12 * np.abs(db).max()


@pytest.mark.parametrize(
    ("table", "order"),
    [
        (CNN, 4),
        (CNN | {"biases": "none"}, 4),
        (ALEXNET, 5),
        (VGG, 14),
        (VGG | {"biases": "first"}, 14),
    ],
    ids=str,
)
def test_orders_are_as_declared(table, order):
    model, structure, _ = started(table, (64,))
    x = torch.from_numpy(np.random.default_rng(2).uniform(size=(20, 64)))
    found = measure_homogeneity(model, structure, x)
    assert found.order == order
    assert found.layer_orders == tuple(layer.order for layer in structure.layers) == (1.0,) * order
    assert found.deviation < 1e-10


@pytest.mark.parametrize("table", [CNN, VGG], ids=str)
def test_biases_after_the_first_layer_break_it(table):
    model, structure, _ = started(table | {"biases": "all"}, (64,))
    x = torch.from_numpy(np.random.default_rng(2).uniform(size=(20, 64)))
    assert measure_homogeneity(model, structure, x).order is None
    assert all(layer.order is None for layer in structure.layers)


def test_the_papers_sizes():
    """LL20's CNN on 28×28 pictures, JT20's H-AlexNet and LL20's VGG on CIFAR-10."""
    on_mnist = build_model(MODEL.validate_python({"kind": "cnn"}), (784,), 10, 0)
    assert on_mnist.w3.shape == (1024, 64 * 7 * 7)
    assert on_mnist.b1.shape == (32,)
    assert not hasattr(on_mnist, "b2")
    on_digits = build_model(MODEL.validate_python({"kind": "cnn"}), (64,), 10, 0)
    assert on_digits.w3.shape == (1024, 64 * 2 * 2)
    alexnet = build_model(MODEL.validate_python({"kind": "alexnet"}), (3072,), 10, 0)
    shapes = [tuple(p.shape) for p in alexnet.parameters()]
    assert shapes == [(6, 3, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]
    vgg = build_model(MODEL.validate_python({"kind": "vgg"}), (3072,), 10, 0)
    assert [p.shape[0] for p in vgg.parameters()] == [
        *(64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
        10,
    ]
    assert vgg.w14.shape == (10, 512)


def test_what_inputs_mean_as_pictures():
    assert image_of((64,), None, "cnn") == (1, 8, 8)
    assert image_of((3072,), None, "cnn") == (3, 32, 32)
    assert image_of((5, 7), None, "cnn") == (1, 5, 7)
    assert image_of((2, 5, 7), None, "cnn") == (2, 5, 7)
    assert image_of((70,), (2, 5, 7), "cnn") == (2, 5, 7)


def test_a_picture_too_small_is_no_network():
    with pytest.raises(ValueError, match="too small"):
        Convolutional((1, 4, 4), (Convolution(2, kernel=5, padding=0), Dense(1)), "none")


def test_he_starts_leave_biases_at_zero():
    model = build_model(MODEL.validate_python(CNN | {"width": 500}), (64,), 3, 0)
    structure = structure_of(model, 64)
    theta = first_theta(INIT.validate_python({"kind": "he"}), structure)
    assert not structure.view(theta, "b1").any()
    assert structure.view(theta, "w3").std() == pytest.approx((2 / 12) ** 0.5, rel=0.05)
