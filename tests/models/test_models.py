"""Networks: homogeneity as measured, starts, structure, and modules of the user's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from workbench.config.init import InitConfig
from workbench.config.run import ModelConfig
from workbench.errors import BadInput
from workbench.models.build import build_model
from workbench.models.homogeneity import measure_homogeneity
from workbench.models.network import flatten, structure_of
from workbench.models.start import first_theta

MODEL, INIT = TypeAdapter(ModelConfig), TypeAdapter(InitConfig)
X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Biased(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Linear(3, width)
        self.second = nn.Linear(width, 1)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


class Cubic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(5, 3))
        self.frozen = nn.Parameter(torch.ones(5), requires_grad=False)

    def forward(self, x):
        return torch.relu(x @ self.w.T).pow(3) @ self.frozen


class WrongShape(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return (x * self.w).sum()


def built(**table):
    model = build_model(MODEL.validate_python(table), (3,), 1, 0)
    return model, structure_of(model, 3)


@pytest.mark.parametrize(
    ("table", "order", "layers"),
    [
        ({"kind": "squared-relu", "leak": 0.3}, 2.0, (2.0,)),
        ({"kind": "two-layer-relu"}, 2.0, (1.0, 1.0)),
        ({"kind": "deep-relu", "widths": [5, 4, 3]}, 4.0, (1.0, 1.0, 1.0, 1.0)),
        ({"kind": "two-trainable-relu", "widths": [6, 4]}, 2.0, (1.0, 1.0)),
    ],
)
def test_orders_are_measured(table, order, layers):
    model, structure = built(**table)
    found = measure_homogeneity(model, structure, X)
    assert found.order == order
    assert found.layer_orders == layers
    assert found.deviation < 1e-10


def test_biases_are_found_out():
    found = measure_homogeneity(Biased().double(), structure_of(Biased(), 3), X)
    assert found.order is None
    assert found.layers[0].order == 1.0 or found.layers[0].order is None
    assert found.layers[1].order == 1.0


def test_a_class_of_the_users_by_import_path():
    model, structure = built(**{"kind": "torch", "class": f"{__name__}:Cubic"})
    assert structure.size == 15
    assert structure.neurons.ncf is None
    assert measure_homogeneity(model, structure, X).order == 3.0


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("no_such_module:Net", "cannot be imported"),
        ("torch.nn:Lineal", "Did you mean 'Linear'"),
        ("math:pi", "is no class"),
        ("pathlib:Path", "no torch.nn.Module"),
        (f"{__name__}:WrongShape", "two samples"),
        ("torch.nn:Linear", "fails"),
        ("torch.nn:ReLU", "no trainable parameters"),
    ],
)
def test_classes_that_cannot_serve(path, said):
    with pytest.raises(BadInput, match=said):
        built(**{"kind": "torch", "class": path})


def test_theta_is_the_model():
    model, structure = built(kind="deep-relu", widths=[4])
    theta = flatten(model, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        theta.copy_(torch.arange(16.0, dtype=torch.float64))
    assert model.get_parameter("w1")[0].tolist() == [0, 1, 2]
    assert structure.view(theta.numpy(), "w2").tolist() == [[12, 13, 14, 15]]
    assert structure.incoming(theta.numpy()).shape == (4, 3)


def start(model_table, **table):
    _, structure = built(**model_table)
    return first_theta(INIT.validate_python(table), structure), structure


def test_starts_are_seeded_and_scaled():
    a, _ = start({"kind": "two-layer-relu"}, kind="gaussian", scale=1e-3, seed=4)
    b, _ = start({"kind": "two-layer-relu"}, kind="gaussian", scale=1e-3, seed=4)
    assert np.array_equal(a, b)
    assert a.std() == pytest.approx(1e-3, rel=0.3)
    he, structure = start({"kind": "deep-relu", "widths": [400]}, kind="he")
    assert structure.view(he, "w1").std() == pytest.approx(np.sqrt(2 / 3), rel=0.1)


@pytest.mark.parametrize(
    "table",
    [{"kind": "deep-relu", "widths": [6, 4]}, {"kind": "two-trainable-relu", "widths": [7, 5]}],
)
def test_balanced_matrices_are_balanced(table):
    theta, structure = start(table, kind="balanced", scale=0.3, seed=2)
    matrices = [structure.view(theta, p.name) for p in structure.parameters]
    for lower, upper in pairwise(matrices):
        assert np.abs(upper.T @ upper - lower @ lower.T).max() < 1e-15


def test_balanced_neurons_have_equal_norms():
    theta, structure = start({"kind": "two-layer-relu"}, kind="balanced", scale=0.1)
    u, v = structure.view(theta, "u"), structure.view(theta, "v")
    assert np.abs(np.linalg.norm(u, axis=1) - np.abs(v)).max() < 1e-15
    with pytest.raises(BadInput, match="balanced"):
        start({"kind": "squared-relu"}, kind="balanced")


def test_weights_that_are_given(tmp_path):
    values = {"u": [[1.0, 2, 3]], "v": [4.0]}
    theta, _ = start({"kind": "two-layer-relu", "width": 1}, kind="inline", values=values)
    assert theta.tolist() == [1, 2, 3, 4]
    np.savez(tmp_path / "w.npz", u=np.ones((1, 3)), v=np.ones(1))
    noisy, _ = start(
        {"kind": "two-layer-relu", "width": 1},
        kind="file",
        path=str(tmp_path / "w.npz"),
        noise=1e-6,
    )
    assert 0 < np.abs(noisy - 1).max() < 1e-5


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"u": [[1.0, 2, 3]]}, "lacks the parameter 'v'"),
        ({"u": [[1.0, 2]], "v": [1.0]}, "shape"),
        ({"u": [[1.0, 2, float("nan")]], "v": [1.0]}, "not finite"),
        ({"w": [1.0]}, "unknown parameter 'w'"),
        ({"u": [[1.0], [2.0, 3.0]], "v": [1.0]}, "rectangular"),
    ],
)
def test_weights_that_do_not_fit(values, said):
    with pytest.raises(BadInput, match=said):
        start({"kind": "two-layer-relu", "width": 1}, kind="inline", values=values)


def test_a_file_without_weights(tmp_path):
    (tmp_path / "w.npz").write_text("no archive")
    for name in ("w.npz", "none.npz"):
        with pytest.raises(BadInput, match=name):
            start({"kind": "two-layer-relu"}, kind="file", path=str(tmp_path / name))
