"""Looks that a run makes into itself end after a counted amount of work, and say what they left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.inspector.test_inspect import state
from workbench.inspector import while_training
from workbench.inspector.inspect import inspect_state
from workbench.inspector.while_training import inspection_while_training, judgement_while_training
from workbench.models.deep_relu import DeepRelu
from workbench.models.squared_relu import SquaredRelu

RNG = np.random.default_rng(5)


def whole(width, n, d=2):
    """A network that is looked at as a whole, near the origin."""
    torch.manual_seed(0)
    model = DeepRelu(d, (width, width), 1, 0.0).double()
    p = sum(parameter.numel() for parameter in model.parameters())
    x = RNG.normal(size=(n, d))
    return state(model, 1e-3 * RNG.normal(size=p), np.abs(RNG.normal(size=n)), x=x, order=3.0)


def neurons(width=4):
    model = SquaredRelu(3, width, 0.0, torch.ones(width, dtype=torch.float64))
    x, y = RNG.normal(size=(9, 3)), np.abs(RNG.normal(size=9))
    return state(model, 1e-4 * RNG.normal(size=3 * width), y, x=x)


def test_the_more_numbers_the_fewer_starts_and_the_reason_names_them(monkeypatch):
    monkeypatch.setattr(while_training, "LOOK_NUMBERS", 2e7)
    starts = []
    for width in (3, 5, 8):
        at = whole(width, 30)
        found = inspection_while_training(at)
        starts.append(while_training._starts(at, while_training.LOOK_NUMBERS))
        told = min(starts[-1], 128)
        assert f"{told} seeded starts" in found.correlation.reason
        again = inspection_while_training(at)
        assert repr(found.as_json()) == repr(again.as_json())
    assert starts[0] > starts[1] > starts[2] >= 2


def test_a_small_state_is_looked_at_as_the_inspector_does():
    at = neurons()
    found, full = inspection_while_training(at), inspect_state(at)
    assert repr(found.as_json()) == repr(full.as_json())
    assert judgement_while_training(at).verdict == full.judgement.verdict


def test_what_was_not_followed_is_said(monkeypatch):
    at = neurons()
    monkeypatch.setattr(while_training, "FOLLOWING", 1e5)
    cut = inspection_while_training(at)
    assert cut.forecast.first is None
    assert any("followed for 100,000 operations" in limit for limit in cut.limits)
    # The verdict does not rest on it.
    assert cut.judgement.verdict == inspect_state(at).judgement.verdict


@pytest.mark.parametrize(("neuron_count", "followed"), [(30, 8), (6, 6)])
def test_no_more_neurons_are_followed_than_that(monkeypatch, neuron_count, followed):
    monkeypatch.setattr(while_training, "FOLLOWED", 10)
    found = inspection_while_training(neurons(neuron_count))
    assert found.forecast.followed == followed
    said = any(f"computed for {followed} of" in limit for limit in found.limits)
    assert said == (followed < neuron_count)
