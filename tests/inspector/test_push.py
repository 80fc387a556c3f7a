"""What may be typed to push θ, the change it stands for, and how far has a neuron leave."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import BadInput
from workbench.inspector.inspect import inspect_state
from workbench.inspector.push import (
    Push,
    delta_of,
    leaving_push,
    likely_neuron,
    parse_push,
    push_words,
)
from workbench.presets import load_config
from workbench.run.experiment import experiment_of


def examined(*settings, preset="kh24-fig3"):
    experiment = experiment_of(load_config(preset, ["device.kind=cpu", *settings]))
    state = experiment.inspected(experiment.state.theta.double().numpy(), step=0, time=0.0)
    return state, inspect_state(state, hessian=False)


def test_a_length_goes_to_the_largest_neuron_that_heads_there():
    state, found = examined()
    for point in range(len(found.correlation.points)):
        heading = [n for n in found.forecast.neurons if n.target == point]
        push = parse_push("1e-3", state, found, point)
        expected = max(heading or found.forecast.neurons, key=lambda n: n.norm).index
        assert push == Push(1e-3, expected)
        assert likely_neuron(found, point) == expected


def test_the_change_is_the_length_times_the_direction():
    state, found = examined()
    direction = found.correlation.points[1].direction
    moved = delta_of(Push(-0.25, 7), state, found, 1).reshape(-1, 2)
    assert moved[7] == pytest.approx(-0.25 * direction)
    assert not np.delete(moved, 7, axis=0).any()
    everyone = delta_of(Push(0.1, everyone=True), state, found, 1).reshape(-1, 2)
    assert everyone == pytest.approx(np.tile(0.1 * direction, (len(everyone), 1)))


def test_two_layer_neurons_are_pushed_in_both_layers():
    state, found = examined(preset="kh24-relu")
    index = next(i for i, p in enumerate(found.correlation.points) if p.value > 0)
    direction = found.correlation.points[index].direction
    before = state.weights[3]
    theta = state.theta + delta_of(Push(0.5, 3), state, found, index)
    u = state.structure.incoming(theta)[3]
    v = state.structure.outgoing(theta)[3]
    assert np.array([v, *u]) - before == pytest.approx(0.5 * direction)


def test_the_joint_point_moves_the_whole_theta():
    state, found = examined(preset="kh24-two-trainable")
    assert found.correlation.joint
    delta = delta_of(parse_push("0.01", state, found, 0), state, found, 0)
    assert delta == pytest.approx(0.01 * found.correlation.points[0].direction)
    with pytest.raises(BadInput, match="whole θ"):
        parse_push("0.01 neuron 3", state, found, 0)


@pytest.mark.parametrize(
    "text", ["", "0", "fast", "1e-3 neuron", "1e999", "1 2 3", "nan", "1e-3 none"]
)
def test_anything_else_is_refused_in_a_sentence(text):
    state, found = examined()
    with pytest.raises(BadInput, match="push"):
        parse_push(text, state, found, 0)


def test_a_neuron_that_is_not_there_or_has_the_other_sign_is_refused():
    state, found = examined("model.signs=alternate")
    assert set(found.correlation.sees) == {1.0, -1.0}
    with pytest.raises(BadInput, match="0 to 19"):
        parse_push("1 neuron 20", state, found, 0)
    sign = found.correlation.sees[0]
    other = int(np.flatnonzero(state.sees != sign)[0])
    with pytest.raises(BadInput, match="other output sign"):
        parse_push(f"1 neuron {other}", state, found, 0)
    both = delta_of(parse_push("1 all", state, found, 0), state, found, 0).reshape(-1, 2)
    assert np.array_equal(np.abs(both).sum(axis=1) > 0, state.sees == sign)


def test_the_event_says_who_was_pushed_where():
    assert (
        push_words(Push(0.5, 4), 1, "90.00°") == "neuron 4 pushed by 0.5 along KKT point 1 (90.00°)"
    )
    assert push_words(Push(0.5, everyone=True), 0, "x").startswith("all small neurons")
    assert push_words(Push(0.5), 0, "x").startswith("θ pushed")


def test_the_length_that_has_a_neuron_leave_is_that_of_its_growth():
    state, found = examined()
    points, radius = found.correlation.points, found.forecast.radius
    first = found.forecast.neurons[found.forecast.first]
    wait = min(first.escape_time, first.escape_time_low)
    push = leaving_push(state, found, first.target)
    assert push.neuron == first.index
    arriving = radius * np.exp(-2.0 * points[first.target].value * wait / 2.0)
    assert push.size == pytest.approx(max(arriving, 2.0 * first.norm))
    elsewhere = next(i for i, p in enumerate(points) if i != first.target and p.value > 0)
    smallest = int(np.argmin(state.neuron_norm))
    assert leaving_push(state, found, elsewhere).neuron == smallest
