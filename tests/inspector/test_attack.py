"""The attack against plain projected gradients with as many evaluations, on samples held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.reference_attack import projected_gradient
from workbench.config.toml import parse_config
from workbench.data.load import load_dataset
from workbench.engine.program import StopFlag
from workbench.inspector.attack import Attack, margins
from workbench.run.experiment import experiment_of

TRAINED = 100
SETTLED = 1e-6
"""Relative difference within which two attacks found the same."""


def points(d, seed, count=300):
    """Labels that no line separates."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, d))
    return x, np.where(np.sin(2.0 * x[:, 0]) + x[:, 1] * x[:, 2] > 0, 1.0, -1.0)


def planar(d, seed, model):
    """Configuration, and the samples held out."""
    x, y = points(d, seed)
    data = {"kind": "inline", "x": x[:TRAINED].tolist(), "y": y[:TRAINED].tolist()}
    table = {"loss": {"kind": "logistic"}, "train": {"rule": "normalized", "lr": 0.05}}
    return {**table, "data": data, "model": model}, x[TRAINED:], y[TRAINED:], None, 1500


def pictures(model):
    """The same of handwritten digits of ten classes."""
    table = {
        "loss": {"kind": "cross-entropy", "reduction": "mean"},
        "train": {"rule": "loss-based"},
        "model": model,
    }
    data = {"kind": "digits", "n": 500}
    whole = load_dataset(parse_config({**table, "data": data}, "digits").data)
    table["data"] = {"kind": "digits", "n": 150}
    return table, whole.x[-200:], whole.y[-200:], (0.0, 1.0), 600


NETWORKS = {
    "two hidden layers": lambda: planar(5, 0, {"kind": "deep-relu", "widths": [24, 24]}),
    "three": lambda: planar(3, 1, {"kind": "deep-relu", "widths": [16, 16, 16]}),
    "wide": lambda: planar(5, 0, {"kind": "two-layer-relu", "width": 200}),
    "squared": lambda: planar(10, 2, {"kind": "squared-relu", "width": 40, "signs": "alternate"}),
    "dense on pictures": lambda: pictures({"kind": "deep-relu", "widths": [32, 32]}),
    "convolutional": lambda: pictures(
        {"kind": "cnn", "channels": [4, 6], "width": 16, "biases": "first"}
    ),
}


def held_out(name, count):
    """Distances of the attack and of projected gradients with its evaluations."""
    table, x, y, box, steps = NETWORKS[name]()
    common = {"init": {"kind": "he", "seed": 4}, "device": {"kind": "cpu"}}
    experiment = experiment_of(parse_config({**table, **common}, "test"))
    experiment.program.run_chunk(experiment.state, 0, 1, steps, None, StopFlag())
    model = experiment.model.double()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    seen = torch.from_numpy(np.concatenate([experiment.dataset.x, x])).double()
    labels = torch.from_numpy(np.concatenate([experiment.dataset.y, y]).astype(np.float64))
    index = np.arange(len(experiment.dataset.x), len(seen))[:count]
    attack = Attack(model, seen, labels, box)
    ours = attack.run(index, 128).distance
    top = torch.from_numpy(1.5 * np.where(np.isfinite(ours), ours, 5.0))
    plain = projected_gradient(
        lambda at: margins(model(at), labels[index]),
        seen[index],
        box,
        top,
        attack.evaluations // len(index),
    )
    return ours, plain.numpy()


@pytest.mark.full
@pytest.mark.parametrize("name", NETWORKS)
def test_never_worse_than_projected_gradients(name):
    """200 samples that the network has not seen."""
    ours, plain = held_out(name, 200)
    assert len(ours) == 200
    worse = int(np.sum(ours > (1.0 + SETTLED) * plain))
    assert worse == 0, f"worse on {worse} of 200"
    assert np.sum(ours > 0) > 100


def test_not_worse_on_some():
    ours, plain = held_out("two hidden layers", 20)
    assert np.all(ours <= (1.0 + SETTLED) * plain)
    # Of no use were it a race that projected gradients cannot run.
    right = ours > 0
    assert np.median(plain[right] / ours[right]) < 1.01


class Elsewhere(torch.nn.Module):
    """What stands for a network on another device: its last digits are others."""

    def __init__(self, own, off):
        super().__init__()
        self.own, self.off = own, off

    def forward(self, x):
        return self.own(x) * (1.0 + self.off)


@pytest.mark.parametrize(("off", "sound"), [(1e-13, True), (-3.0, False)])
def test_what_is_found_on_a_device_is_judged_by_the_network_itself(off, sound):
    """Rounding changes nothing that is found; a device that computes something else finds nothing."""
    table, x, y, box, steps = NETWORKS["two hidden layers"]()
    common = {"init": {"kind": "he", "seed": 4}, "device": {"kind": "cpu", "engine": "eager"}}
    experiment = experiment_of(parse_config({**table, **common}, "test"))
    experiment.program.run_chunk(experiment.state, 0, 1, steps, None, StopFlag())
    model = experiment.model.double()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    given = torch.from_numpy(x[:5]).double(), torch.from_numpy(y[:5].astype(np.float64))
    plain = Attack(model, *given, box).run(np.arange(5), 128)
    there = Attack(model, *given, box, torch.device("cpu"))
    assert there._there is not model
    there._there = Elsewhere(model, off)
    found = there.run(np.arange(5), 128)
    finite = np.isfinite(found.distance)
    q = margins(model(torch.from_numpy(found.found)), given[1]).numpy()
    assert np.all(q[finite & (found.distance > 0)] < 0)
    if sound:
        assert np.allclose(found.distance, plain.distance, rtol=1e-6)
        assert np.any(finite & (found.distance > 0))
