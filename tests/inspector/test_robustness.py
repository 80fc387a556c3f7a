"""Robustness against what can be computed by hand: hyperplanes, polar grids, written-out matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.reference_attack import every_cell
from workbench.config.toml import parse_config
from workbench.engine.program import StopFlag
from workbench.errors import BadInput
from workbench.inspector.exact_distance import _Layers
from workbench.inspector.layer_chain import Convolved, chain_of
from workbench.inspector.lipschitz import certified_radius, lipschitz_product, why_no_bound
from workbench.inspector.robustness import Robustness, robustness, spread_samples
from workbench.measures.margins import sample_margins
from workbench.run.experiment import experiment_of

BINARY = {
    "data": {"kind": "gaussian-separable", "n": 8, "d": 2, "margin": 0.3, "seed": 1},
    "init": {"kind": "he", "seed": 4},
    "loss": {"kind": "logistic"},
    "train": {"rule": "normalized", "lr": 0.05},
    "device": {"kind": "cpu"},
}
ANGLES = np.arange(3.0) * 2.0 * np.pi / 3.0
CLASSES = {
    **BINARY,
    "data": {
        "kind": "inline",
        "x": [[r * np.cos(a + s), r * np.sin(a + s)] for a in ANGLES for r, s in [(1.0, 0.1), (1.6, -0.3)]],
        "y": [k for k in range(3) for _ in range(2)],
    },
    "loss": {"kind": "cross-entropy"},
}  # fmt: skip


def trained(table, model, steps=200):
    experiment = experiment_of(parse_config({**table, "model": model}, "test"))
    experiment.program.run_chunk(experiment.state, 0, 1, steps, None, StopFlag())
    return experiment.inspected(experiment.state.theta.numpy().copy(), step=steps)


def outputs_at(state, x):
    with torch.no_grad():
        out = state.risk._own[0](torch.from_numpy(x)).numpy()
    return out


def margins_at(state, x, label):
    """q of inputs x (m, d) if their label were `label`."""
    return sample_margins(outputs_at(state, x)[None], np.full(len(x), label))[0]


@pytest.mark.parametrize("table", [BINARY, CLASSES], ids=["binary", "classes"])
def test_a_linear_network_has_hyperplanes_for_boundaries(table):
    state = trained(table, {"kind": "deep-linear", "width": 4, "depth": 2})
    found = robustness(state, range(state.n), box=None)
    rows = outputs_at(state, np.eye(2))
    wanted = []
    for x, y in zip(state.x, state.y, strict=True):
        if rows.ndim == 1:
            wanted.append(y * (x @ rows) / np.linalg.norm(rows))
            continue
        own = int(y)
        ways = [(x @ (rows[:, own] - rows[:, j])) / np.linalg.norm(rows[:, own] - rows[:, j])
                for j in range(3) if j != own]  # fmt: skip
        wanted.append(min(ways))
    assert np.allclose(found.bound, wanted, rtol=1e-6, atol=0)
    assert np.all(found.bound <= wanted)
    assert np.allclose(found.attack, wanted, rtol=1e-6, atol=0)
    assert np.all(found.attack >= np.array(wanted) * (1 - 1e-12))


def grid_distance(state, x, label, top):
    """Smallest radius of a polar grid around x with a misclassified point, and the grid's step."""
    radii = np.linspace(0.0, top, 400)[1:]
    angles = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = x + radii[:, None, None] * ring
    wrong = margins_at(state, points.reshape(-1, 2), label).reshape(len(radii), -1) <= 0
    hit = np.flatnonzero(wrong.any(axis=1))
    return (radii[hit[0]] if hit.size else np.inf), radii[0]


NETWORKS = [
    (BINARY, {"kind": "two-layer-relu", "width": 12}),
    (BINARY, {"kind": "squared-relu", "width": 12, "signs": "alternate"}),
    (BINARY, {"kind": "deep-relu", "widths": [8, 8]}),
    pytest.param(
        BINARY, {"kind": "two-layer-relu", "width": 12, "leak": 0.2}, marks=pytest.mark.full
    ),
    pytest.param(BINARY, {"kind": "two-trainable-relu", "widths": [8, 6]}, marks=pytest.mark.full),
    (BINARY, {"kind": "diagonal", "depth": 3, "activation": "linear"}),
    (CLASSES, {"kind": "deep-relu", "widths": [12]}),
    (CLASSES, {"kind": "deep-relu", "widths": [10, 8], "leak": -0.3}),
]


@pytest.mark.parametrize(("table", "model"), NETWORKS, ids=lambda v: v.get("kind", ""))
def test_bounds_hold_the_distance_of_a_polar_grid_between_them(table, model):
    state = trained(table, model)
    found = robustness(state, range(state.n), box=None)
    exact = 0
    for k in range(state.n):
        if found.margin[k] <= 0:
            assert found.attack[k] == found.bound[k] == 0.0
            continue
        top = 1.5 * min(found.attack[k], 5.0)
        distance, step = grid_distance(state, state.x[k], state.y[k], top)
        # A cone of the grid, seen from x, is 1° wide and a ring one step.
        assert found.bound[k] <= distance
        assert found.attack[k] <= distance * (1 + 1e-6)
        assert found.attack[k] >= (distance - step) * np.cos(np.radians(5.0))
        exact += found.bound[k] > 0.99 * found.attack[k]
    assert np.all(found.bound <= found.attack)
    right = found.margin > 0
    assert np.median(found.bound[right] / found.attack[right]) > 0.2
    if model["kind"] in ("diagonal", "two-layer-relu") or len(model.get("widths", [1, 1])) == 1:
        assert found.exact.all()
        assert exact == int(right.sum())


def test_adversarial_examples_are_what_they_are_said_to_be():
    state = pictures()
    found = robustness(state, spread_samples(state.n, 8), box=(0.0, 1.0))
    assert found.examples.min() >= 0.0
    assert found.examples.max() <= 1.0
    for k, i in enumerate(found.index):
        q = margins_at(state, found.examples[k][None], state.y[i])[0]
        assert q < 0
        distance = np.linalg.norm(found.examples[k] - state.x[i])
        assert found.attack[k] == pytest.approx(distance, rel=1e-14)
    assert np.all(found.bound <= found.attack)
    assert np.all(found.bound > 0)
    again = robustness(state, spread_samples(state.n, 8), box=(0.0, 1.0))
    assert np.array_equal(found.attack, again.attack)


def pictures(biases="first", steps=150):
    table = {
        **BINARY,
        "data": {"kind": "digits", "n": 30, "classes": [0, 1, 2]},
        "loss": {"kind": "cross-entropy", "reduction": "mean"},
        "train": {"rule": "loss-based"},
    }
    model = {"kind": "cnn", "channels": [4, 6], "width": 16, "biases": biases}
    return trained(table, model, steps)


@pytest.mark.parametrize("biases", ["first", "all"])
def test_no_random_step_within_the_certified_radius_changes_a_picture_s_class(biases):
    state = pictures(biases)
    model = state.risk._own[0]
    x, y = torch.from_numpy(state.x), torch.from_numpy(state.y)
    radius = certified_radius(model, x, y).numpy()
    rng = np.random.default_rng(0)
    rival = state.x[(np.arange(state.n) + 11) % state.n]
    for k in range(30):
        noise = rng.standard_normal((500, 64))
        noise[0] = rival[k] - state.x[k]
        noise *= radius[k] / np.linalg.norm(noise, axis=1, keepdims=True)
        q = margins_at(state, state.x[k] + noise, state.y[k])
        assert (q > 0).all() == (radius[k] > 0)
    product = lipschitz_product(model, (64,))
    q = sample_margins(state.outputs[None], state.y)[0]
    # ‖w_y − w_j‖ ≤ √2 ‖W‖: the plain product, LL20's β, certifies less.
    assert np.all(radius >= np.maximum(q, 0.0) / (np.sqrt(2.0) * product) * (1 - 1e-6))


@pytest.mark.parametrize("kernel", [3, 5])
def test_norms_of_convolutions(kernel):
    """Written out by single pixels; the torus from above; both above what any picture does."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, kernel, kernel, generator=generator, dtype=torch.float64)
    stage = Convolved(weight, None, kernel // 2, (3, 6, 5))
    columns = []
    for pixel in range(90):
        picture = torch.zeros(1, 90, dtype=torch.float64)
        picture[0, pixel] = 1.0
        columns.append(stage(picture).flatten())
    exact = float(np.linalg.norm(torch.stack(columns, dim=1).numpy(), 2))
    assert stage.norm == pytest.approx(exact, rel=1e-8)
    assert stage.norm >= exact
    assert exact <= stage.torus_norm <= 1.5 * exact


def network_of(parameters):
    """Table and model of an entry of `NETWORKS`."""
    return getattr(parameters, "values", parameters)


def test_a_chain_computes_what_the_network_does():
    for state in (pictures("all", 20), *(trained(*network_of(p), 20) for p in NETWORKS)):
        model = state.risk._own[0]
        chain = chain_of(model, state.x.shape[1:])
        if chain is None:
            assert type(model).__name__ == "SquaredRelu"
            continue
        out, _ = chain.forward(torch.from_numpy(state.x))
        wanted = state.outputs.reshape(state.n, -1)
        assert np.allclose(out.detach().numpy(), wanted, rtol=1e-10, atol=1e-10)


def test_a_network_that_always_answers_the_same_has_no_adversarial_example():
    """Three half-planes that cover the plane: Φ > 0 everywhere but at the origin."""
    table = {
        **BINARY,
        "data": {"kind": "inline", "x": [[1.0, 0.0], [0.0, 1.0]], "y": [1, -1]},
        "init": {"kind": "inline", "values": {"u": [[0, 1], [0.8, -0.6], [-0.8, -0.6]]}},
    }
    state = trained(table, {"kind": "squared-relu", "width": 3, "signs": "plus"}, 0)
    found = robustness(state, [0, 1], box=None)
    assert found.attack.tolist() == [np.inf, 0.0]
    assert found.bound[1] == 0.0
    assert found.exact.tolist() == [False, True]
    assert found.accuracy(np.array([0.0, 1e9])).tolist() == [0.5, 0.5]


def test_an_output_of_0_is_misclassified():
    """q = 0 in the third quadrant, where no neuron is active: LL20 calls only q > 0 correct."""
    table = {
        **BINARY,
        "data": {"kind": "inline", "x": [[1.0, 2.0], [0.5, -3.0]], "y": [1, 1]},
        "init": {"kind": "inline", "values": {"u": [[1, 0], [0, 1]], "v": [1, 1]}},
    }
    state = trained(table, {"kind": "two-layer-relu", "width": 2}, 0)
    found = robustness(state, [0, 1], box=None)
    assert found.attack == pytest.approx([np.sqrt(5.0), 0.5], rel=1e-6)
    assert found.exact.all()


def test_where_nothing_in_the_box_is_misclassified_the_distance_is_infinite():
    """Two classes, Φ_0 = x_1 + x_2 + 1 in effect always ahead within 0..1."""
    table = {
        **CLASSES,
        "data": {"kind": "inline", "x": [[0.9, 0.8], [0.7, 0.2]], "y": [0, 1]},
        "init": {"kind": "inline", "values": {"w1": [[1, 1], [-1, 0]], "w2": [[1, 0], [0.2, 0]]}},
    }
    state = trained(table, {"kind": "deep-relu", "widths": [2]}, 0)
    found = robustness(state, [0, 1], box=(0.1, 1.0))
    assert found.attack.tolist() == [np.inf, 0.0]
    assert found.bound.tolist() == [np.inf, 0.0]
    assert found.exact.all()


@pytest.mark.parametrize("compared", [[9], pytest.param(range(12), marks=pytest.mark.full)])
def test_ten_neurons_in_space_have_exact_distances(compared):
    """A network on which an attack without restarts was up to half too far."""
    x = [[-0.52, 0.53, 0.81], [-1.44, 1.02, -0.6], [2.09, 0.73, -0.54], [0.2, 0.21, 0.33],
         [1.39, 0.53, 1.66], [0.63, -0.18, -1.52], [-1.56, 0.2, 0.69], [1.44, -0.61, 0.08],
         [-0.81, -0.42, -2.28], [0.74, -0.72, -0.07], [0.45, 0.34, -1.31], [1.52, 0.76, 0.5]]  # fmt: skip
    table = {
        **BINARY,
        "data": {"kind": "inline", "x": x, "y": [1, 1, -1, -1, -1, -1, 1, -1, 1, -1, -1, -1]},
        "init": {"kind": "he", "seed": 1},
        "loss": {"kind": "exponential", "reduction": "mean"},
        "train": {"rule": "normalized", "lr": 0.02},
    }
    state = trained(table, {"kind": "two-layer-relu", "width": 10}, 2000)
    found = robustness(state, range(12), box=None)
    assert found.exact.all()
    assert found.as_json()["exact"] == [True] * 12
    layers = _Layers(chain_of(state.risk._own[0], (3,)))
    for k in compared:
        distance = every_cell(layers.margins(state.x[k], float(state.y[k]), None)[0])
        assert found.attack[k] == pytest.approx(distance, rel=1e-6)
        assert found.bound[k] <= distance * (1 + 1e-9)


def test_a_network_that_does_not_look_at_its_inputs_is_refused():
    data = {"kind": "inline", "x": [[1.0, 0.0], [0.0, 1.0]], "y": [1, 1]}
    tables = {
        "data": data,
        "init": {"kind": "gaussian", "scale": 0.5},
        "loss": {"kind": "exponential"},
    }
    state = trained(tables, {"kind": "mexican-hat"}, 1)
    with pytest.raises(BadInput, match="do not depend on its inputs"):
        robustness(state, [0, 1], box=None)


def test_unknown_networks_get_an_attack_and_a_sentence():
    model = torch.nn.Sequential(torch.nn.Linear(2, 4, dtype=torch.float64), torch.nn.Tanh())
    assert "none of the workbench's own" in why_no_bound(model, (2,))
    with pytest.raises(ValueError, match="no bound"):
        certified_radius(model, torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1))


def test_curves():
    found = Robustness(
        step=3,
        index=np.arange(4),
        margin=np.array([1.0, 1.0, -1.0, 1.0]),
        attack=np.array([1.0, 2.0, 0.0, np.inf]),
        bound=np.array([0.5, 2.0, 0.0, 1.0]),
        box=None,
        log10_risk=-1.0,
    )
    at = np.array([0.0, 0.7, 1.5, 2.0])
    assert found.accuracy(at).tolist() == [0.75, 0.75, 0.5, 0.25]
    assert found.certified_accuracy(at).tolist() == [0.75, 0.5, 0.25, 0.0]
    assert found.radii()[0] == 0.0
    assert found.radii()[-1] > 2.0


@pytest.mark.parametrize("seeds", [1, pytest.param(5, marks=pytest.mark.full)])
def test_every_exact_distance_comes_with_an_input_that_is_misclassified(seeds):
    """What an attack found in a pass with others may be correct by itself, by rounding."""
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((12, 3)), np.sign(rng.standard_normal(12))
        table = {
            **BINARY,
            "data": {"kind": "inline", "x": x.tolist(), "y": [int(label) for label in y]},
            "init": {"kind": "he", "seed": seed},
            "loss": {"kind": "exponential", "reduction": "mean"},
            "train": {"rule": "normalized", "lr": 0.02},
        }
        state = trained(table, {"kind": "two-layer-relu", "width": 20}, 1500)
        found = robustness(state, range(12), box=None)
        assert found.exact.all()
        assert np.isfinite(found.attack).all()
