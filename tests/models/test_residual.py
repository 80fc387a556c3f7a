"""Residual networks: values against loops, gradients against differences, whose statistics normalize."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from workbench.config.run import ModelConfig
from workbench.config.toml import parse_config
from workbench.errors import BadInput
from workbench.measures.plane import PlaneSurface, plane_grid
from workbench.models.build import build_model
from workbench.models.homogeneity import measure_homogeneity
from workbench.models.network import flatten, structure_of
from workbench.run.experiment import experiment_of

MODEL = TypeAdapter(ModelConfig)
X = np.random.default_rng(5).standard_normal((7, 9))
OPTIONS = [
    {"biases": b, "batch_norm": n, "filters": f}
    for b in ("none", "all")
    for n in (False, True)
    for f in ("dense", "convolution")
]
NAMES = ["-".join(str(v) for v in o.values()) for o in OPTIONS]


def built(d=9, outputs=1, seed=2, **table):
    table = {"kind": "residual", "width": 3, "blocks": 2, **table}
    model = build_model(MODEL.validate_python(table), (d,), outputs, 0)
    structure = structure_of(model, d)
    theta = np.random.default_rng(seed).standard_normal(structure.size)
    flatten(model, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(theta))
    return model, structure, theta


def linear(h, w):
    """A dense layer or a 3×3 convolution with zeros around, sample by sample."""
    if w.ndim == 2:
        return np.array([w @ row for row in h])
    n, _, rows, columns = h.shape
    padded = np.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.zeros((n, len(w), rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i : i + 3, j : j + 3]
            out[:, :, i, j] = [[np.sum(w[c] * part) for c in range(len(w))] for part in window]
    return out


def slow(p, x, reference=None):
    """Φ of every row of x by loops; p by name."""
    held = 0 if reference is None else len(reference)
    h = x if reference is None else np.concatenate([reference, x])
    picture = p["w0"].ndim == 4
    h = h.reshape(len(h), 1, 3, 3) if picture else h

    def per_unit(v):
        return v[None, :, None, None] if picture else v

    def shifted(s, k):
        return s + per_unit(p[f"b{k}"]) if f"b{k}" in p else s

    last = max(int(name[1:]) for name in p if name[0] == "w")
    h = shifted(linear(h, p["w0"]), 0)
    for k in range(1, last, 2):
        s = linear(h, p[f"w{k}"])
        if f"gain{k}" in p:
            for unit in range(s.shape[1]):
                seen = s[: held or len(s), unit]
                value = (s[:, unit] - seen.mean()) / np.sqrt(seen.var() + 1e-5)
                s[:, unit] = value * (1.0 + p[f"gain{k}"][unit])
        h = h + linear(np.maximum(shifted(s, k), 0.0), p[f"w{k + 1}"])
    h = np.maximum(h, 0.0)
    h = h.mean(axis=(2, 3)) if picture else h
    out = h @ p[f"w{last}"].T
    return (out + p[f"b{last}"] if f"b{last}" in p else out)[held:, 0]


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_values_equal_slow_loops(options):
    model, structure, theta = built(**options)
    p = {q.name: structure.view(theta, q.name) for q in structure.parameters}
    np.testing.assert_allclose(model(torch.from_numpy(X)).detach(), slow(p, X), rtol=1e-12)
    few = X[:3] + 1.0
    with torch.no_grad():
        reference = (torch.from_numpy(X),) if options["batch_norm"] else ()
        found = model(torch.from_numpy(few), *reference)
    np.testing.assert_allclose(found, slow(p, few, X), rtol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_gradients_equal_differences(options):
    model, structure, theta = built(seed=4, **options)
    p = {q.name: structure.view(theta, q.name) for q in structure.parameters}
    total = model(torch.from_numpy(X)).square().sum()
    gradient = np.concatenate(
        [g.reshape(-1).numpy() for g in torch.autograd.grad(total, list(model.parameters()))]
    )
    h = 1e-6
    for k in range(0, structure.size, max(1, structure.size // 40)):
        moved = []
        for sign in (1.0, -1.0):
            t = theta.copy()
            t[k] += sign * h
            p = {q.name: structure.view(t, q.name) for q in structure.parameters}
            moved.append(float(np.sum(slow(p, X) ** 2)))
        wanted = (moved[0] - moved[1]) / (2 * h)
        assert gradient[k] == pytest.approx(wanted, rel=1e-5, abs=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_no_order_is_declared_or_measured(options):
    model, structure, _ = built(**options)
    assert all(layer.order is None for layer in structure.layers)
    assert measure_homogeneity(model, structure, torch.from_numpy(X)).order is None


def test_he_leaves_gains_and_biases_at_their_neutral_values():
    from workbench.config.init import InitConfig
    from workbench.models.start import first_theta

    _, structure, _ = built(batch_norm=True, biases="all")
    theta = first_theta(TypeAdapter(InitConfig).validate_python({"kind": "he"}), structure)
    for parameter in structure.parameters:
        values = structure.view(theta, parameter.name)
        assert (values == 0).all() == (parameter.name[0] != "w"), parameter.name


def test_statistics_are_those_of_the_samples_in_the_call():
    model, _, _ = built(batch_norm=True)
    x = torch.from_numpy(X)
    with torch.no_grad():
        assert not torch.allclose(model(x)[:3], model(x[:3]))
        torch.testing.assert_close(model(x[:3], x), model(x)[:3], rtol=1e-12, atol=1e-12)
    plain, _, _ = built(batch_norm=False)
    torch.testing.assert_close(plain(x)[:3], plain(x[:3]), rtol=1e-12, atol=1e-12)


def table(**train):
    return {
        "data": {"kind": "jt20-planar", "n": 24},
        "model": {"kind": "residual", "width": 4, "blocks": 1},
        "init": {"kind": "he"},
        "loss": {"kind": "logistic"},
        "train": {"lr": 1e-2, "steps": 4, **train},
        "device": {"kind": "cpu"},
    }


def test_a_record_normalizes_by_all_samples_a_step_by_its_batch():
    """The row of a minibatch run is that of the full batch at the same θ, and its step is not."""
    from workbench.engine.program import RowBuffer, StopFlag

    outputs, moved = [], []
    for batch in (0, 8):
        made = experiment_of(parse_config(table(batch=batch), "test"))
        buffer = RowBuffer(1, made.state.theta, made.output_shape)
        made.program.evaluate(made.state, buffer)
        outputs.append(np.asarray(buffer.outputs[0]))
        made.program.run_chunk(made.state, 0, 1, 1, None, StopFlag())
        moved.append(made.state.theta.clone())
    assert np.array_equal(outputs[0], outputs[1])
    assert not torch.equal(*moved)


def test_surfaces_take_the_samples_statistics():
    made = experiment_of(parse_config(table(), "test"))
    theta = made.state.theta.numpy()
    x = made.dataset.x
    grid = plane_grid(x, 4, 3)
    surface = PlaneSurface(made.model, grid, x).at(theta)
    with torch.no_grad():
        alone = made.model(torch.from_numpy(grid.inputs[5:6]), torch.from_numpy(x))
    assert surface.ravel()[5] == pytest.approx(float(alone), rel=1e-12)


def test_the_flow_is_refused_where_samples_mix():
    with pytest.raises(BadInput, match="batch_norm = true mixes them"):
        experiment_of(parse_config(table(rule="flow"), "test"))
