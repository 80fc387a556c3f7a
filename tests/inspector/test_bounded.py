"""Looks that a run makes into itself end after a counted amount of work, and say what they left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.inspector.test_inspect import state
from workbench.inspector import bounded
from workbench.inspector.bounded import bounded_inspection, bounded_judgement
from workbench.inspector.inspect import inspect_state
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
    monkeypatch.setattr(bounded, "LOOK_NUMBERS", 2e7)
    starts = []
    for width in (3, 5, 8):
        at = whole(width, 30)
        found = bounded_inspection(at)
        starts.append(bounded._starts(at, bounded.LOOK_NUMBERS))
        told = min(starts[-1], 128)
        assert f"{told} seeded starts" in found.correlation.reason
        again = bounded_inspection(at)
        assert repr(found.as_json()) == repr(again.as_json())
    assert starts[0] > starts[1] > starts[2] >= 2


def test_a_small_state_is_looked_at_as_the_inspector_does():
    at = neurons()
    found, full = bounded_inspection(at), inspect_state(at)
    assert repr(found.as_json()) == repr(full.as_json())
    assert bounded_judgement(at).verdict == full.judgement.verdict


def test_what_was_not_followed_is_said(monkeypatch):
    at = neurons()
    monkeypatch.setattr(bounded, "FOLLOWING", 1e5)
    cut = bounded_inspection(at)
    assert cut.forecast.first is None
    assert any("followed for 100,000 operations" in limit for limit in cut.limits)
    # The verdict does not rest on it.
    assert cut.judgement.verdict == inspect_state(at).judgement.verdict


@pytest.mark.parametrize(("neuron_count", "followed"), [(30, 8), (6, 6)])
def test_no_more_neurons_are_followed_than_that(monkeypatch, neuron_count, followed):
    monkeypatch.setattr(bounded, "FOLLOWED", 10)
    found = bounded_inspection(neurons(neuron_count))
    assert found.forecast.followed == followed
    said = any(f"computed for {followed} of" in limit for limit in found.limits)
    assert said == (followed < neuron_count)
