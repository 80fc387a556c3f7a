"""Intervals, confidences and names of forecasts on states made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import finished, stored_state

from tests.inspector.runs import teacher
from tests.inspector.test_inspect import X, squared, state, u_at
from workbench.inspector.forecast import forecast_of
from workbench.inspector.forecast_interval import CERTAIN, MOST_CONFIDENT
from workbench.inspector.forecast_words import leaves_at
from workbench.inspector.inspect import inspect_state
from workbench.models.squared_relu import SquaredRelu
from workbench.record.reader import RunReader
from workbench.theory.numerics.work import Work

Y = teacher(X, [20.0, 170.0], [1.0, 0.4], 2)


def made(degrees, norms, **more):
    return inspect_state(state(squared(len(norms)), u_at(degrees, norms), Y, **more), hessian=False)


def test_a_clear_leader_is_named_alone_with_a_narrow_interval():
    found = made([40.0, 60.0, 250.0], [1e-5, 1e-7, 1e-7]).forecast
    first = found.neurons[0]
    assert found.names == (0,)
    assert first.confidence == MOST_CONFIDENT
    assert first.escape_time_low < first.escape_time < first.escape_time_high
    assert first.escape_time_high - first.escape_time_low < 0.03 * first.escape_time
    assert first.escape_steps_low == pytest.approx(first.escape_time_low / 1e-3)
    assert first.angle_bound < 1.0


def test_two_of_one_norm_and_direction_are_both_named():
    found = made([40.0, 40.0, 250.0], [1e-6, 1e-6, 1e-7]).forecast
    assert set(found.names) == {0, 1}
    assert [found.neurons[k].confidence for k in (0, 1)] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("share", "alone"), [(1.0, False), (0.999, False), (0.9, True)])
def test_the_nearer_a_rival_the_less_sure(share, alone):
    found = made([40.0, 40.0], [1e-6, share * 1e-6]).forecast
    assert (len(found.names) == 1) == alone
    assert (found.neurons[found.first].confidence >= CERTAIN) == alone
    assert sum(n.confidence for n in found.neurons) <= 1.0 + 1e-9


def test_a_large_neuron_that_still_moves_widens_the_interval():
    """The first teacher is fitted, or nearly: what it still leaves is what the small one sees."""
    still = made([20.0, 150.0], [1.0, 1e-5]).forecast
    drifting = made([26.0, 150.0], [0.97, 1e-5]).forecast
    assert still.names == drifting.names == (1,)
    widths = [
        (f.neurons[1].escape_time_high - f.neurons[1].escape_time_low) / f.neurons[1].escape_time
        for f in (still, drifting)
    ]
    assert widths[1] > widths[0]


def test_cancelled_there_is_no_interval():
    s = state(squared(2), u_at([40.0, 60.0], [1e-5, 1e-7]), Y)
    whole = inspect_state(s, hessian=False)
    calls = iter([False] * 1 + [True] * 1_000_000)
    work = Work(cancel=lambda: next(calls))
    cut = forecast_of(s, whole.groups, whole.correlation, work=work)
    assert all(n.escape_time_low is None for n in cut.neurons)


def test_where_the_work_is_spent_nobody_is_named_or_the_interval_is_wide_and_it_says_so():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(9, 3)), np.abs(rng.normal(size=9))
    model = SquaredRelu(3, 4, 0.0, torch.ones(4, dtype=torch.float64))
    s = state(model, 1e-4 * rng.normal(size=12), y, x=x)
    free = Work()
    groups, correlation = (found := inspect_state(s, hessian=False)).groups, found.correlation
    whole = forecast_of(s, groups, correlation, work=free)
    assert whole.first is not None
    none = forecast_of(s, groups, correlation, work=Work(1.0))
    assert none.first is None
    assert none.names == ()
    assert all(n.escape_time is None for n in none.neurons)
    assert [n.rate for n in none.neurons] == [n.rate for n in whole.neurons]
    # Only the scenarios are cut: the interval holds what it was, and is wider.
    near = forecast_of(s, groups, correlation, work=Work(free.done - 1e5))
    assert near.first == whole.first
    low, high = near.neurons[near.first].escape_time_low, near.neurons[near.first].escape_time_high
    assert low <= whole.neurons[whole.first].escape_time_low * (1 + 1e-6)
    assert high >= whole.neurons[whole.first].escape_time_high * (1 - 1e-6)
    limits = inspect_state(s, hessian=False, most=1.0).limits
    assert "The small neurons were followed for 1 operations, which is not to their end." in limits
    assert not any("operations" in limit for limit in found.limits)


def test_past_the_last_step_and_undecided_stand_among_what_cannot_be_said():
    s = state(squared(2), u_at([40.0, 40.0], [1e-6, 1e-6]), Y)
    limits = inspect_state(replace(s, last_step=10), hessian=False).limits
    assert "Whether neuron 0 or neuron 1 leaves first is undecided." in limits
    assert "No small neuron leaves before the run's last step 10." in limits
    later = inspect_state(replace(s, last_step=10**9), hessian=False).limits
    assert not any("last step" in sentence for sentence in later)


def test_the_names_stand_in_the_json():
    found = made([40.0, 40.0], [1e-6, 1e-6]).as_json()
    assert sorted(found["names"]) == [0, 1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((700, 703.4, 650.7, 760.2), "1,403 (1,350–1,461)"),
        ((700, 703.4, 650.7, np.inf), "1,403 (1,350–)"),
        ((700, np.inf, 650.7, np.inf), "never (1,350–)"),
        ((700, 703.4, None, None), "1,403"),
        ((700, None, None, None), "–"),
        ((0, 3e15, None, None), "3e+15"),
    ],
)
def test_words_of_a_step_and_its_interval(given, words):
    assert leaves_at(*given) == words


def test_a_rule_that_changes_its_steps_is_forecast_in_the_steps_it_takes(tmp_path):
    session = finished(
        tmp_path, "train.rule=normalized", "train.steps=40", "init.scale=1e-3", "loss.kind=square"
    )
    with RunReader(session.folder) as reader:
        steps, rates = reader.read("step"), reader.read("learning_rate_log")
    taken = np.exp(rates[steps == 20])[0]
    assert stored_state(session.folder, 20).learning_rate == taken
    assert session.config.train.lr != taken
    assert session.inspected_state().learning_rate == np.exp(rates[-1])
