"""Deep linear, diagonal, sparse, shared-patch and skip networks: values, gradients, orders, starts."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from pydantic import TypeAdapter

from workbench.config.init import InitConfig
from workbench.config.run import ModelConfig
from workbench.errors import BadInput
from workbench.models.build import build_model
from workbench.models.homogeneity import measure_homogeneity
from workbench.models.network import flatten, structure_of
from workbench.models.start import first_theta

MODEL, INIT = TypeAdapter(ModelConfig), TypeAdapter(InitConfig)
RNG = np.random.default_rng(11)
X = RNG.standard_normal((9, 4))
MASKS = [[[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]], [[1, 0, 1], [0, 1, 0]], [[1, 1]]]


def built(d=4, outputs=1, **table):
    model = build_model(MODEL.validate_python(table), (d,), outputs, 0)
    return model, structure_of(model, d)


def started(seed=3, **table):
    """A network at a seeded θ, its parameters as arrays, and ∇Φ of every sample of X by autograd."""
    model, structure = built(**table)
    theta = np.random.default_rng(seed).standard_normal(structure.size)
    flatten(model, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(theta))
    params = [structure.view(theta, p.name) for p in structure.parameters]
    outputs = model(torch.from_numpy(X))
    parameters = list(model.parameters())
    rows = [torch.autograd.grad(out, parameters, retain_graph=True) for out in outputs]
    return params, outputs.detach().numpy(), [[g.numpy() for g in row] for row in rows]


SLOW = {
    "deep linear": ({"kind": "deep-linear", "widths": [5, 3]}, reference.linear_output),
    "linear predictor": ({"kind": "deep-linear", "depth": 1}, reference.linear_output),
    "skip": ({"kind": "skip-linear", "width": 3}, reference.skip_output),
    **{
        f"{kind} {activation}": (
            {"kind": kind, "activation": activation, **more},
            lambda p, x, k=kind, a=activation: {
                "diagonal": lambda: reference.diagonal_output(p, x, a),
                "sparse": lambda: reference.sparse_output(p, x, MASKS, a),
                "shared-patches": lambda: reference.patches_output(p, x, a),
            }[k](),
        )
        for kind, more in (
            ("diagonal", {"depth": 3}),
            ("sparse", {"masks": MASKS}),
            ("shared-patches", {"patches": 2}),
        )
        for activation in ("linear", "relu")
    },
}


@pytest.mark.parametrize("case", sorted(SLOW))
def test_values_and_gradients_equal_slow_loops(case):
    table, slow = SLOW[case]
    params, outputs, rows = started(**table)
    for x, out, row in zip(X, outputs, rows, strict=True):
        value, grads = slow(params, x)
        assert out == pytest.approx(value, rel=1e-13, abs=1e-13)
        for found, wanted in zip(row, grads, strict=True):
            assert np.abs(found - wanted).max() <= 1e-13 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize(
    ("table", "names", "layers"),
    [
        ({"kind": "deep-linear", "width": 5, "depth": 4}, ["w1", "w2", "w3", "w4"], (1.0,) * 4),
        ({"kind": "deep-linear", "depth": 1}, ["w1"], (1.0,)),
        ({"kind": "diagonal"}, ["w1", "w2"], (1.0, 1.0)),
        ({"kind": "diagonal", "depth": 5, "activation": "relu"}, [f"w{j}" for j in range(1, 6)], (1.0,) * 5),
        ({"kind": "sparse", "masks": MASKS, "activation": "relu"}, ["w1", "w2", "w3"], (1.0,) * 3),
        ({"kind": "shared-patches"}, ["w", "v"], (1.0, 1.0)),
    ],
)  # fmt: skip
def test_orders_are_as_declared(table, names, layers):
    model, structure = built(**table)
    found = measure_homogeneity(model, structure, torch.from_numpy(X))
    assert [p.name for p in structure.parameters] == names
    assert found.layer_orders == tuple(layer.order for layer in structure.layers) == layers
    assert found.order == sum(layers)
    assert found.deviation < 1e-10


def test_a_skip_connection_has_no_order():
    model, structure = built(kind="skip-linear", width=3)
    found = measure_homogeneity(model, structure, torch.from_numpy(X))
    assert [p.name for p in structure.parameters] == ["w", "v", "u"]
    assert found.order is None
    assert all(layer.order is None for layer in structure.layers)


def test_the_skip_network_of_the_theorem():
    """VSS22 Theorem 6.1: one number each, given as plain numbers; Φ(1) = vw + u = 6 at (2, 2, 2)."""
    model, structure = built(d=1, kind="skip-linear")
    values = {"w": 2.0, "v": 2.0, "u": 2.0}
    theta = first_theta(INIT.validate_python({"kind": "inline", "values": values}), structure)
    flatten(model, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(theta))
    assert model(torch.ones(1, 1, dtype=torch.float64)).item() == 6.0


def test_parameters_have_the_shapes_that_files_name():
    shapes = {
        "diagonal": ({"depth": 2}, {"w1": (4,), "w2": (4,)}),
        "shared-patches": ({}, {"w": (2,), "v": (2,)}),
        "skip-linear": ({"width": 3}, {"w": (3, 4), "v": (3,), "u": (4,)}),
        "sparse": ({"masks": MASKS}, {"w1": (6,), "w2": (3,), "w3": (2,)}),
        "deep-linear": ({"widths": [5]}, {"w1": (5, 4), "w2": (1, 5)}),
    }
    for kind, (more, wanted) in shapes.items():
        _, structure = built(kind=kind, **more)
        assert {p.name: p.shape for p in structure.parameters} == wanted


def test_several_outputs_of_a_deep_linear_network():
    model, _ = built(outputs=3, kind="deep-linear", widths=[5])
    assert model(torch.from_numpy(X)).shape == (9, 3)


def test_he_starts_know_how_many_numbers_a_unit_sums():
    big = np.ones((50, 4), dtype=int).tolist()
    tables = [
        ({"kind": "diagonal", "depth": 2}, 2_000, {"w1": 1, "w2": 2_000}),
        ({"kind": "sparse", "masks": [big, [[1] * 50]]}, 4, {"w1": 4, "w2": 50}),
    ]
    for table, d, fan_ins in tables:
        _, structure = built(d=d, **table)
        theta = first_theta(INIT.validate_python({"kind": "he", "seed": 2}), structure)
        for name, fan_in in fan_ins.items():
            assert structure.view(theta, name).std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.25)


def test_deep_linear_layers_can_be_balanced():
    _, structure = built(kind="deep-linear", widths=[6, 6])
    theta = first_theta(INIT.validate_python({"kind": "balanced", "scale": 0.3}), structure)
    w1, w2 = structure.view(theta, "w1"), structure.view(theta, "w2")
    assert np.abs(w2.T @ w2 - w1 @ w1.T).max() < 1e-15


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"kind": "sparse", "masks": [[[1, 1]]]}, "2 columns, and an input has 4"),
        ({"kind": "shared-patches", "patches": 3}, "does not divide the 4"),
        ({"kind": "cnn"}, None),
        ({"kind": "cnn", "image": [1, 3, 3]}, "9 numbers, and an input has 4"),
    ],
)
def test_networks_that_do_not_fit_the_inputs(table, said):
    if said is None:
        with pytest.raises(BadInput, match=r"5 numbers are neither"):
            built(d=5, **table)
        return
    with pytest.raises(BadInput, match=said):
        built(**table)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ([[[1, 0], [1]]], "rectangular"),
        ([[[0, 0]]], "leaves no weight"),
        ([[[1, 1], [1, 1]]], "one output"),
        ([[[1, 1], [0, 1]], [[1, 1, 1]]], "must agree"),
    ],
)
def test_masks_that_make_no_network(masks, said):
    with pytest.raises(ValueError, match=said):
        MODEL.validate_python({"kind": "sparse", "masks": masks})
