"""Networks linearised at their start: against loops, finite differences, and gates held from outside."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from reference import squared_relu_tangent

from workbench.config.run import ModelConfig
from workbench.engine.programs.flow.gates import SoftGates
from workbench.errors import BadInput
from workbench.models.build import build_model
from workbench.models.homogeneity import measure_homogeneity
from workbench.models.network import flatten, structure_of

MODEL = TypeAdapter(ModelConfig)
RNG = np.random.default_rng(4)
X = RNG.standard_normal((7, 4))
BASES = {
    "squared-relu": {"kind": "squared-relu", "width": 6, "signs": "random"},
    "two-layer-relu": {"kind": "two-layer-relu", "width": 5, "leak": 0.2},
    "deep-relu": {"kind": "deep-relu", "widths": [5, 4]},
    "two-trainable-relu": {"kind": "two-trainable-relu", "widths": [5, 4]},
    "deep-linear": {"kind": "deep-linear", "width": 3, "depth": 3},
    "diagonal": {"kind": "diagonal", "depth": 2, "activation": "relu"},
    "sparse": {"kind": "sparse", "masks": [[[1, 1, 0, 0], [0, 0, 1, 1]], [[1, 1]]]},
    "shared-patches": {"kind": "shared-patches"},
    "skip-linear": {"kind": "skip-linear", "width": 2},
    "cnn": {"kind": "cnn", "channels": [4, 5], "width": 6},
    "alexnet": {"kind": "alexnet", "channels": [4, 5], "widths": [6, 6]},
    "vgg": {"kind": "vgg", "channels": [6, 6, 8, 8, 8]},
}


def built(base, constant=False, outputs=1):
    table = {"kind": "ntk", "base": base, "start": {"kind": "he", "seed": 3}, "constant": constant}
    model = build_model(MODEL.validate_python(table), (4,), outputs, 0)
    structure = structure_of(model, 4)
    theta = np.random.default_rng(6).standard_normal(structure.size)
    flatten(model, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(theta))
    return model, structure, theta


def test_it_is_the_papers_formula():
    model, structure, theta = built(BASES["squared-relu"])
    outputs = model(torch.from_numpy(X)).detach().numpy()
    start = model.base.u.numpy()
    signs = model.base.signs.numpy()
    slow = [squared_relu_tangent(start, structure.view(theta, "u"), x, signs) for x in X]
    assert np.abs(outputs - slow).max() < 1e-13
    assert start.std() > 0.1


@pytest.mark.parametrize("kind", sorted(BASES))
@pytest.mark.parametrize("constant", [False, True])
def test_it_is_the_first_order_of_every_network(kind, constant):
    """Against central differences of the base at θ_0, and its gradient against the base's own."""
    model, structure, theta = built(BASES[kind], constant)
    base = copy.deepcopy(model.base).requires_grad_(True)
    flat = flatten(base, torch.float64, torch.device("cpu"))
    x, start, h = torch.from_numpy(X), flat.clone(), 1e-7
    outputs = model(x)
    assert outputs.detach().abs().max() > 0
    with torch.no_grad():
        flat.copy_(start + h * torch.from_numpy(theta))
        up = base(x)
        flat.copy_(start - h * torch.from_numpy(theta))
        slope = (up - base(x)) / (2 * h)
        flat.copy_(start)
    wanted = slope + base(x).detach() if constant else slope
    scale = max(1.0, float(wanted.abs().max()))
    assert float((outputs - wanted).detach().abs().max()) < 1e-6 * scale
    trained = [p for p in model.parameters() if p.requires_grad]
    assert [p.name for p in structure.parameters] == [n for n, _ in base.named_parameters()]
    found = torch.autograd.grad(outputs.sum(), trained, materialize_grads=True)
    own = torch.autograd.grad(base(x).sum(), list(base.parameters()), materialize_grads=True)
    for a, b in zip(found, own, strict=True):
        assert float((a - b).abs().max()) <= 1e-13 * max(1.0, float(b.abs().max()))


def test_it_is_linear_without_the_constant_only():
    x = torch.from_numpy(X)
    model, structure, _ = built(BASES["deep-relu"])
    found = measure_homogeneity(model, structure, x)
    assert found.order == 1.0
    assert found.layer_orders == (1.0,)
    model, structure, _ = built(BASES["deep-relu"], constant=True)
    assert measure_homogeneity(model, structure, x).order is None
    assert structure.layers[0].order is None


def test_its_start_is_frozen_and_seeded():
    one, _, _ = built(BASES["deep-relu"])
    two, _, _ = built(BASES["deep-relu"])
    before = [p.clone() for p in one.base.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, two.base.parameters(), strict=True))
    one(torch.from_numpy(X)).sum().backward()
    assert all(p.grad is None for p in one.base.parameters())
    assert all(type(p) is torch.nn.Parameter for p in one.base.parameters())


def test_gates_of_the_base_stay_shut_to_others():
    model, _, _ = built(BASES["two-layer-relu"])
    plain = model(torch.from_numpy(X))
    with SoftGates(0.1) as gates:
        seen = model(torch.from_numpy(X))
    assert not gates.before
    assert torch.equal(plain, seen)


def test_many_parameters_at_once():
    model, structure, _ = built(BASES["deep-relu"])
    x = torch.from_numpy(X)
    thetas = torch.from_numpy(np.random.default_rng(0).standard_normal((3, structure.size)))
    trained = [(n, p.shape) for n, p in model.named_parameters() if p.requires_grad]

    def one(flat):
        parts = torch.split(flat, [s.numel() for _, s in trained])
        given = {n: part.view(s) for (n, s), part in zip(trained, parts, strict=True)}
        return torch.func.functional_call(model, given, (x,))

    many = torch.func.vmap(one)(thetas)
    single = torch.stack([one(theta) for theta in thetas])
    assert float((many - single).detach().abs().max()) < 1e-12


def test_starts_and_bases_that_do_not_fit():
    table = {
        "kind": "ntk",
        "base": {"kind": "deep-relu", "widths": [2]},
        "start": {"kind": "inline", "values": {"u": [1.0]}},
    }
    with pytest.raises(BadInput, match="unknown parameter"):
        build_model(MODEL.validate_python(table), (4,), 1, 0)
    with pytest.raises(ValueError, match="torch"):
        MODEL.validate_python({"kind": "ntk", "base": {"kind": "torch", "class": "a:B"}})
