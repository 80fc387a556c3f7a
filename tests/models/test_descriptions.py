"""What every network declares of itself holds, against slow and obvious numbers."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from workbench.config.models import TABLES
from workbench.config.run import ModelConfig
from workbench.models.build import build_model
from workbench.models.homogeneity import measure_homogeneity
from workbench.models.network import described, flatten, structure_of
from workbench.models.structure import ConvolutionStage, Description, Matrix, PoolStage

MASKS = [[[1, 1, 0] * 3 + [0] * 7, [0, 1, 1] * 3 + [1] * 7], [[1, 1]]]
CASES = [
    {"kind": "squared-relu", "width": 5, "signs": "alternate", "leak": 0.3},
    {"kind": "two-layer-relu", "width": 5, "leak": 0.2},
    {"kind": "deep-relu", "widths": [5, 3], "leak": 0.1},
    {"kind": "deep-relu", "widths": [5]},
    {"kind": "two-trainable-relu", "widths": [4, 3], "leak": 0.1},
    {"kind": "deep-linear", "widths": [4, 3]},
    {"kind": "deep-linear", "widths": [4]},
    {"kind": "diagonal", "depth": 2, "activation": "relu"},
    {"kind": "diagonal", "depth": 3},
    {"kind": "sparse", "masks": MASKS, "activation": "relu"},
    {"kind": "sparse", "masks": MASKS},
    {"kind": "shared-patches", "patches": 4},
    {"kind": "shared-patches", "patches": 2, "activation": "linear"},
    {"kind": "skip-linear", "width": 2},
    {"kind": "mexican-hat"},
    {"kind": "cnn", "channels": [2, 3], "width": 4, "biases": "all"},
    {"kind": "alexnet", "channels": [2, 3], "widths": [4, 3]},
    {"kind": "vgg", "channels": [6, 6, 6, 6, 6]},
    {"kind": "residual", "width": 4},
    {"kind": "residual", "width": 4, "batch_norm": False},
    {"kind": "ntk", "base": {"kind": "two-layer-relu", "width": 4}},
]
D = 16
X = torch.randn(6, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def names(case):
    return "-".join(str(value) for value in case.values() if not isinstance(value, (list, dict)))


@pytest.fixture(params=CASES, ids=names)
def network(request):
    """A network at a random θ, what it declares, and its flat θ."""
    table = TypeAdapter(ModelConfig).validate_python(request.param)
    model = build_model(table, (D,), 1, 3)
    theta = flatten(model, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        theta.copy_(torch.randn(len(theta), generator=torch.Generator().manual_seed(2)).double())
    return model, structure_of(model, D), theta


def outputs(model, x):
    with torch.no_grad():
        return model(x).numpy()


def test_every_kind_is_here():
    kinds = {get_args(table.model_fields["kind"].annotation)[0] for table in TABLES}
    assert {case["kind"] for case in CASES} == kinds - {"torch"}


def test_every_parameter_is_in_one_layer_and_orders_are_as_measured(network):
    model, structure, _ = network
    held = [name for layer in structure.layers for name in layer.parameters]
    assert sorted(held) == sorted(parameter.name for parameter in structure.parameters)
    found = measure_homogeneity(model, structure, X)
    for declared, measured in zip(structure.layers, found.layers, strict=True):
        assert declared.order is None or declared.order == measured.order


def test_the_stages_compute_the_network(network):
    model, structure, _ = network
    stages = structure.description.stages
    if stages is None:
        return
    tensors = {
        n: t.detach().numpy() for n, t in (*model.named_parameters(), *model.named_buffers())
    }
    h = X.numpy()
    for stage in stages:
        h = after(stage, h, tensors)
    assert h[:, 0] == pytest.approx(outputs(model, X), rel=1e-12, abs=1e-12)


def after(stage, h, tensors):
    """What a stage makes of h, number by number."""
    if isinstance(stage, PoolStage):
        n, c, height, width = h.shape
        rows, columns = range(0, height, 2), range(0, width, 2)
        pooled = [h[:, :, i : i + 2, j : j + 2].max(axis=(2, 3)) for i in rows for j in columns]
        return np.stack(pooled, axis=2).reshape(n, c, len(rows), len(columns))
    weight = tensors[stage.parameter]
    bias = np.zeros(1) if stage.bias is None else tensors[stage.bias]
    if isinstance(stage, ConvolutionStage):
        s = convolved(h.reshape(len(h), *stage.image), weight, stage.padding)
        s = s + bias[:, None, None]
    else:
        assert isinstance(stage, Matrix)
        matrix = np.zeros(stage.shape[0] * stage.shape[1])
        places = range(len(matrix)) if stage.place is None else stage.place
        for k, place in enumerate(places):
            matrix[place] = weight.ravel()[k if stage.numbers is None else stage.numbers[k]]
        s = h.reshape(len(h), -1) @ matrix.reshape(stage.shape).T + bias
    return np.maximum(s, stage.leak * s)


def convolved(h, weight, padding):
    """Correlation with every filter, window by window."""
    h = np.pad(h, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    k = weight.shape[-1]
    rows, columns = h.shape[2] - k + 1, h.shape[3] - k + 1
    found = np.zeros((len(h), len(weight), rows, columns))
    for i in range(rows):
        for j in range(columns):
            found[:, :, i, j] = np.tensordot(
                h[:, :, i : i + k, j : j + k], weight, axes=[(1, 2, 3)] * 2
            )
    return found


def test_where_the_numbers_of_matrices_lie_in_theta(network):
    _, structure, theta = network
    trained = [parameter.name for parameter in structure.parameters]
    flat = np.append(theta.detach().numpy(), 0.0)
    for stage in structure.description.stages or ():
        if isinstance(stage, Matrix) and stage.parameter in trained:
            assert np.array_equal(
                flat[structure.indices(stage)], structure.matrix(flat[:-1], stage)
            )


def test_linear_in_the_inputs_is_what_adds_up(network):
    model, structure, _ = network
    a, b = X[:3], X[3:]
    adds = np.allclose(outputs(model, a + 2 * b), outputs(model, a) + 2 * outputs(model, b))
    assert structure.description.linear == adds


def test_linear_in_the_weights_is_what_adds_up(network):
    model, structure, theta = network
    start, step = theta.clone(), torch.ones_like(theta)
    found = []
    for k in range(3):
        with torch.no_grad():
            theta.copy_(start + 0.5 * k * step)
        found.append(outputs(model, X))
    straight = np.allclose(found[2] - found[1], found[1] - found[0])
    assert structure.description.linearised == straight


def test_samples_mix_where_one_changes_another_s_output(network):
    model, structure, _ = network
    whole, part = outputs(model, X)[:3], outputs(model, X[:3])
    assert structure.description.mixes_samples == (not np.allclose(whole, part))


def test_separable_neurons_add_up_to_the_network(network):
    model, structure, theta = network
    neurons = structure.neurons
    if neurons is None or neurons.ncf is None:
        return
    flat = theta.detach().numpy()
    u, v = structure.incoming(flat), structure.outgoing(flat)
    heights = X.numpy() * u.T if neurons.apart else X.numpy() @ u.T
    active = np.maximum(heights, neurons.leak * heights)
    if neurons.ncf == "squared-relu":
        active, v = active**2, structure.neuron_signs(flat)
    assert active @ v == pytest.approx(outputs(model, X), rel=1e-12)


def test_smooth_gates_are_those_whose_gradient_does_not_jump(network):
    model, structure, theta = network
    neurons = structure.neurons
    if neurons is None or neurons.ncf is None or neurons.apart or neurons.leak == 1.0:
        return
    parameter = structure.parameter(neurons.incoming)
    start = theta.clone()
    jumps = []
    for side in (1e-9, -1e-9):
        with torch.no_grad():
            theta.copy_(start)
            u = theta[parameter.start : parameter.stop].view(parameter.shape)
            u[0] += (side - u[0] @ X[0]) / (X[0] @ X[0]) * X[0]
        jumps.append(
            torch.cat(
                [
                    g.ravel()
                    for g in torch.autograd.grad(model(X[:1]).sum(), list(model.parameters()))
                ]
            )
        )
    assert structure.description.smooth_gates == torch.allclose(*jumps, atol=1e-6)


def test_what_is_counted_is_a_submodule(network):
    model, structure, _ = network
    name, times = structure.description.counted
    assert model.get_submodule(name) is (model.base if name else model)
    assert times >= 1


def test_a_class_of_the_users_declares_nothing():
    model = torch.nn.Sequential(torch.nn.Linear(D, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    assert described(model) is None
    found = structure_of(model, D).description
    assert [layer.name for layer in found.layers] == ["0", "2"]
    assert found.neurons is not None
    assert found.neurons.ncf is None
    assert found == Description(found.layers, found.neurons)
