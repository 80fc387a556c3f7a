"""Networks that are sums over neurons by another name: diagonal ones, and those with one hidden layer."""

from __future__ import annotations

import numpy as np
import pytest

from tests.inspector.test_optimality import state_of
from workbench.config.toml import parse_config
from workbench.figures import draw_figure
from workbench.inspector.circle import circle_reason
from workbench.inspector.inspect import inspect_state
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.theory.ncf.joint import kkt_joint

SLOPES = np.array([2.0, 1.3, -0.8, 0.5])


def data(n=40):
    """Inputs with a coordinate of its own size each, labels a linear function of them."""
    x = np.random.default_rng(5).normal(size=(n, len(SLOPES)))
    return x, x @ SLOPES


def run(folder, steps=1500, **tables):
    x, y = data()
    values = {
        "data": {"kind": "inline", "x": x.tolist(), "y": y.tolist()},
        "model": {"kind": "diagonal"},
        "init": {"kind": "gaussian", "scale": 1e-8},
        "loss": {"kind": "square", "reduction": "mean"},
        "train": {"lr": 0.01, "steps": steps},
        "record": {"every": 5},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
        **tables,
    }
    with Session.create(parse_config(values, "test"), folder) as session:
        session.start()
        assert session.wait(60)
        assert session.engine.error is None
    return session.folder


def small_state(model, *, scale=1e-6, y=None, x=None):
    """A state near the origin of a network that is drawn at random."""
    inputs, labels = data()
    inputs, labels = inputs if x is None else x, labels if y is None else y
    state = state_of(model, inputs.tolist(), y=labels.tolist(), loss="square")
    return state.of(
        state.risk,
        state.structure,
        scale * np.random.default_rng(1).normal(size=state.structure.size),
        order=state.order,
        learning_rate=1e-3,
    )


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_coordinates_of_a_diagonal_network(activation):
    state = small_state({"kind": "diagonal", "activation": activation})
    found = inspect_state(state)
    correlation = found.correlation
    assert (correlation.method, correlation.complete, correlation.joint) == ("exact", True, False)
    assert not any("separate" in sentence for sentence in found.limits)
    x, y = data()
    for index, point in enumerate(correlation.points):
        xj = x[:, correlation.coordinate(index)]
        above, below = (y @ np.maximum(xj, 0.0), y @ np.minimum(xj, 0.0))
        v, u = point.direction
        slope = y @ xj if activation == "linear" else above if u > 0 else below
        assert point.value == pytest.approx(v * u * slope, rel=1e-5, abs=1e-4)
        assert abs(v) == pytest.approx(2**-0.5) or u == 0.0
    assert {correlation.coordinate(i) for i in range(len(correlation.points))} == set(range(4))
    # Every coordinate heads to a point of its own, and the way out is there.
    for neuron in found.forecast.neurons:
        assert correlation.coordinate(neuron.target) == neuron.index
    assert found.judgement.verdict == "saddle"
    shown = found.as_json()
    assert {point["coordinate"] for point in shown["kkt"]["points"]} == set(range(4))
    assert {point["sign"] for point in shown["kkt"]["points"]} == {1.0}


def test_the_joint_function_has_no_higher_point():
    state = small_state({"kind": "diagonal"})
    best = inspect_state(state).correlation.highest
    ncf = state.risk.joint(state.z)
    joint = kkt_joint(ncf.value, ncf.gradient, 8, starts=64, rounds=500)
    assert joint.points[0].value == pytest.approx(best, rel=1e-8)


@pytest.mark.parametrize(
    "model",
    [{"kind": "deep-relu", "widths": [3], "leak": 0.1}, {"kind": "deep-linear", "widths": [3]}],
)
def test_one_hidden_layer_is_a_two_layer_network(model):
    leak = model.get("leak", 1.0)
    x = data()[0][:, :2]
    y = np.abs(x[:, 0]) + x[:, 1]
    twin = {"kind": "two-layer-relu", "width": 3, "leak": leak}
    one, other = (inspect_state(small_state(kind, x=x, y=y)) for kind in (model, twin))
    mine, its = one.as_json(), other.as_json()
    assert mine["kkt"]["method"] == "exact"
    assert mine["kkt"] == its["kkt"]
    assert mine["neurons"] == its["neurons"]
    assert one.judgement.verdict == other.judgement.verdict == "saddle"


def test_more_layers_and_more_outputs_stay_joint():
    assert inspect_state(small_state({"kind": "deep-relu", "widths": [3, 2]})).correlation.joint
    assert inspect_state(small_state({"kind": "diagonal", "depth": 3})).correlation.joint
    deep = small_state({"kind": "diagonal", "depth": 3}, scale=1.0)
    assert "depth 3 separate" in inspect_state(deep).limits[0]


def test_a_state_with_coordinates_that_have_left():
    """Two have, at what they should be; of the others the correlation function is of what they miss."""
    state = small_state({"kind": "diagonal"})
    theta = state.theta.copy()
    theta[[0, 4]], theta[[1, 5]] = np.sqrt(SLOPES[0]), np.sqrt(SLOPES[1])
    later = state.of(state.risk, state.structure, theta, order=2.0, learning_rate=1e-3)
    found = inspect_state(later)
    assert (found.groups.large.tolist(), found.groups.small.tolist()) == ([0, 1], [2, 3])
    assert set(found.correlation.sees) == {2.0, 3.0}
    part = later.contribution(found.groups.large)
    assert part == pytest.approx(data()[0][:, :2] @ SLOPES[:2], rel=1e-5, abs=1e-5)


def test_a_run_is_forecast_recorded_and_drawn(tmp_path):
    folder = run(tmp_path)
    with RunReader(folder) as reader:
        assert reader.read("neuron_norm").shape[1:] == (4,)
        assert reader.read("neuron_direction").shape[1:] == (4, 1)
        kept = reader.inspections()
        norm, time = reader.read("neuron_norm"), reader.read("time")
        for name in ("directions", "norms", "risk"):
            draw_figure(reader, name)
    first = next(one for one in kept if one.forecasts)
    assert first.verdict == "saddle"
    assert first.points.direction.shape[1] == 2
    assert first.outcome.kind == "left"
    assert first.outcome.neuron == first.first == int(np.argmax(np.abs(SLOPES)))
    assert abs(first.outcome.time_error) < 0.02
    # Every forecast, also of coordinates that leave while others have left, holds its interval.
    told = [one for one in kept if one.outcome is not None and one.outcome.kind == "left"]
    assert len(told) >= 2
    for one in told:
        row = int(np.flatnonzero(one.neurons.index == one.outcome.neuron)[0])
        low, high = one.neurons.escape_time_low[row], one.neurons.escape_time_high[row]
        assert low <= one.outcome.time <= high
    # The same from the records alone: the first norm to reach the radius, and when.
    row = int(np.argmax((norm >= first.radius).any(axis=1)))
    assert time[row] - first.time == pytest.approx(first.wait, rel=0.03)


def test_the_circle_is_not_drawn_for_coordinates():
    state = small_state({"kind": "diagonal"}, x=data()[0][:, :2], y=data()[1])
    assert "of its own" in circle_reason(state.structure.neurons, 2, True)


def test_an_orbit_is_one_entry_with_its_dimension():
    found = inspect_state(small_state({"kind": "deep-linear", "widths": [3, 2]}))
    (point,) = found.as_json()["kkt"]["points"]
    orbit = point["orbit"]
    assert (orbit["dimension"], orbit["members"], orbit["why_unknown"]) == (3, 128, "")
    assert orbit["null"] < 1e-6
    assert orbit["next"] > 1e-2
    assert point["basin"] == 1.0


def test_a_coordinate_that_is_off_hides_no_other_that_is_free():
    """Positive inputs: neuron 0, of the largest N, is off on all of them and held; neuron 1 leaves."""
    x = np.abs(data()[0]) + 0.1
    state = small_state({"kind": "diagonal", "activation": "relu"}, x=x, y=x @ np.abs(SLOPES))
    theta = np.full(state.structure.size, 1e-6)
    theta[0] = -1e-6
    found = inspect_state(state.at(theta))
    assert found.judgement.verdict == "saddle"
    assert found.judgement.evidence.ways_out
    first = found.forecast.first
    assert first is not None
    assert first != 0
