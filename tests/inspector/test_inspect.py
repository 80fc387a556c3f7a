"""Verdicts that are certified, on states whose nature is known; groups, forecasts, JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cases import stored_state

from commands.formats import finite
from tests.inspector.runs import circle, teacher
from workbench.errors import BadInput
from workbench.inspector.compare import compare
from workbench.inspector.forecast import forecast_of
from workbench.inspector.inspect import hessian_evidence, inspect_state, with_curvature
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.losses.registry import loss_of
from workbench.models.deep_relu import DeepRelu
from workbench.models.network import structure_of
from workbench.models.squared_relu import SquaredRelu
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.models.two_trainable_relu import TwoTrainableRelu
from workbench.record.reader import RunReader
from workbench.run.session import Session, load_config

X = circle(16, 0.5)


def squared(width, signs=None):
    signs = (
        torch.ones(width, dtype=torch.float64) if signs is None else torch.tensor(signs).double()
    )
    return SquaredRelu(2, width, 0.0, signs)


def state(model, theta, y, *, loss="square", x=X, order=2.0, reduction="sum"):
    structure = structure_of(model, x.shape[1])
    risk = RiskModel(model, x, np.asarray(y, dtype=float), loss_of(loss), reduction)
    theta = np.asarray(theta, dtype=float).ravel()
    return InspectedState.of(risk, structure, theta, order=order, learning_rate=1e-3)


def u_at(degrees, norms):
    t = np.deg2rad(degrees)
    return np.asarray(norms)[:, None] * np.column_stack([np.cos(t), np.sin(t)])


def verdict(found):
    return found.judgement.verdict


# --- verdicts -------------------------------------------------------------------------------------


def test_the_origin_is_a_saddle_where_something_correlates():
    y = teacher(X, [20.0], [1.0], 2)
    tiny = 1e-8 * np.random.default_rng(0).normal(size=(6, 2))
    found = inspect_state(state(squared(6), tiny, y))
    assert verdict(found) == "saddle"
    assert found.regime == "origin"
    assert len(found.groups.small) == 6
    assert any(d.confirmed and d.along == "neuron" for d in found.judgement.evidence.descents)


def test_exactly_zero_weights_are_a_saddle_although_the_hessian_is_zero():
    y = teacher(X, [20.0], [1.0], 2)
    found = inspect_state(state(squared(4), np.zeros((4, 2)), y))
    assert verdict(found) == "saddle"
    assert found.judgement.evidence.curvature.smallest == 0.0


def test_the_origin_is_a_minimum_where_no_neuron_can_help():
    y = -teacher(X, [20.0, 200.0], [1.0, 1.0], 2) - 0.1
    tiny = 1e-8 * np.random.default_rng(0).normal(size=(6, 2))
    found = inspect_state(state(squared(6), tiny, y))
    assert verdict(found) == "minimum"
    assert found.correlation.highest <= 0


def test_fixed_signs_see_their_own_residual():
    """Negative labels: neurons with sign +1 stay, those with −1 leave."""
    y = -teacher(X, [20.0], [1.0], 2)
    tiny = 1e-8 * np.random.default_rng(0).normal(size=(2, 2))
    found = inspect_state(state(squared(2, [1.0, -1.0]), tiny, y))
    assert verdict(found) == "saddle"
    times = [n.escape_time for n in found.forecast.neurons]
    assert np.isinf(times[0]) or times[0] is None or times[0] > 1e3 * times[1]
    assert found.forecast.first == 1
    assert found.correlation.sees[found.forecast.neurons[1].target] == -1.0


def test_a_later_saddle_with_one_teacher_fitted():
    """KH24 Theorem 5.5: opposite teachers do not overlap, so fitting one is a critical point."""
    y = teacher(X, [11.25, 191.25], [1.0, 0.5], 2)
    u = u_at([11.25, 100.0, 170.0], [1.0, 1e-6, 1e-7])
    found = inspect_state(state(squared(3), u, y))
    assert verdict(found) == "saddle"
    assert found.regime == "mixed"
    assert found.groups.large.tolist() == [0]
    target = found.forecast.points[found.forecast.neurons[1].target]
    assert np.degrees(np.arctan2(*target.direction[::-1])) == pytest.approx(-168.75)


def test_a_fitted_network_is_a_minimum_and_no_saddle():
    y = teacher(X, [11.25, 191.25], [1.0, 0.25], 2)
    u = u_at([11.25, 191.25, 90.0], [1.0, 0.5, 1e-9])
    found = inspect_state(state(squared(3), u, y))
    assert verdict(found) == "minimum"


def test_a_minimum_with_a_residual_is_certified_by_convexity():
    """y − c with c ≥ 0 everywhere but on the teacher's cone: no neuron of the kind helps."""
    y = teacher(X, [11.25], [1.0], 2) - 1e-1 * np.where(X @ [1.0, 0.2] < -0.5, 1.0, 0.0)
    u = u_at([11.25, 100.0], [1.0, 1e-9])
    found = inspect_state(state(squared(2), u, y))
    assert verdict(found) == "minimum"
    assert found.judgement.evidence.ncf_relative <= 1e-6


def test_separated_logistic_runs_off_to_infinity():
    labels = np.where(X[:, 0] > 0, 1.0, -1.0)
    model = squared(2, [1.0, -1.0])
    for size in (30.0, 300.0):
        found = inspect_state(state(model, size * u_at([0, 180], [1, 1]), labels, loss="logistic"))
        assert verdict(found) == "diverging"
        assert found.regime == "late"


def test_a_state_on_its_way_is_moving():
    y = teacher(X, [20.0, 200.0], [1.0, 0.5], 2)
    u = u_at([40, 80, 150], [0.5, 0.4, 0.6])
    assert verdict(inspect_state(state(squared(3), u, y))) == "moving"


def test_slow_descent_to_zero_risk_is_moving():
    y = teacher(X, [11.25], [1.0], 2)
    u = u_at([11.35, 12.0], [1.0, 0.02])
    found = inspect_state(state(squared(2), u, y))
    assert verdict(found) == "moving"


def test_a_neuron_held_in_its_cell_is_a_local_minimum():
    """The labels on the far side are out of its reach: s = 0 in its cell, and the loss is convex."""
    model = TwoLayerRelu(2, 1, 0.0)
    y = np.maximum(X @ [1.0, 0.0], 0) + np.where(X[:, 0] < -0.1, 0.5, 0.0)
    s = state(model, [1.0, 0.0, 1.0], y)
    quick = inspect_state(s, hessian=False)
    full = with_curvature(quick, s, hessian_evidence(s))
    assert verdict(quick) == verdict(full) == "local minimum"
    # The sample nearest to u's edge is at 11.25° from it.
    near = full.judgement.evidence.held_distance
    assert near == pytest.approx(np.sin(np.radians(11.25)))
    risk = np.exp(s.log_risk)
    rng = np.random.default_rng(0)
    for _ in range(200):
        step = rng.normal(size=3)
        moved = s.theta + near * rng.uniform() * step / np.linalg.norm(step)
        assert np.exp(s.risk.log_risk(moved)) >= risk - 1e-14


def two_of_a_pair():
    """Two neurons of one mirrored pair at ±: the even part is fitted, the odd direction lowers the risk."""
    y = teacher(X, [11.25, 61.25], [1.0, 1.0], 2)
    model = squared(2)
    from scipy.optimize import minimize

    risk = RiskModel(model, X, y, loss_of("square"), "sum")
    best = minimize(lambda r: np.exp(risk.log_risk(u_at([r[1]] * 2, [r[0]] * 2).ravel())), [1.0, 36.0],
                    method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-16}).x  # fmt: skip
    return state(model, u_at([best[1]] * 2, [best[0]] * 2), y)


def test_a_saddle_without_small_neurons_is_found_by_the_hessian():
    found = inspect_state(two_of_a_pair())
    assert len(found.groups.small) == 0
    assert verdict(found) == "saddle"
    assert [d.along for d in found.judgement.evidence.descents] == ["hessian"]


def test_without_curvature_nothing_is_guessed():
    found = inspect_state(two_of_a_pair(), hessian=False)
    assert verdict(found) == "undecided"
    assert any("curvature" in s for s in found.judgement.evidence.sentences)


# --- other networks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "order"),
    [
        (TwoTrainableRelu(2, (4, 3), 0.0, torch.tensor([1.0, -1.0, 1.0]).double()), 2.0),
        (DeepRelu(2, (4, 3), 1, 0.0), 3.0),
    ],
)
def test_networks_that_do_not_separate_use_the_joint_function(model, order):
    y = teacher(X, [20.0], [1.0], 1)
    size = structure_of(model, 2).size
    theta = 1e-4 * np.random.default_rng(0).normal(size=size)
    found = inspect_state(state(model, theta, y, order=order))
    assert found.correlation.joint
    assert verdict(found) == "saddle"
    assert found.correlation.method == "multistart"
    assert any("those of the whole θ" in s for s in found.limits)
    large = inspect_state(state(model, 1e4 * theta, y, order=order))
    assert large.correlation is None
    assert any("not known to separate" in s for s in large.limits)


def test_a_network_that_is_not_homogeneous_says_so():
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    ).double()
    theta = 0.1 * np.random.default_rng(0).normal(size=17)
    found = inspect_state(state(model, theta, X[:, 0], order=None))
    assert found.correlation is None
    assert any("not homogeneous" in s for s in found.limits)
    assert verdict(found) in ("moving", "undecided", "plateau")


def test_cross_entropy_has_no_single_residual_but_a_verdict():
    model = DeepRelu(2, (5,), 3, 0.0)
    theta = 0.5 * np.random.default_rng(0).normal(size=structure_of(model, 2).size)
    y = (np.arange(16) % 3).astype(float)
    found = inspect_state(state(model, theta, y, loss="cross-entropy"))
    assert verdict(found) in ("moving", "undecided")


# --- JSON, runs, forecasts ------------------------------------------------------------------------


def test_json_has_the_documented_keys():
    y = teacher(X, [20.0], [1.0], 2)
    tiny = 1e-8 * np.random.default_rng(0).normal(size=(3, 2))
    found = json.loads(json.dumps(finite(inspect_state(state(squared(3), tiny, y)).as_json())))
    assert {"step", "regime", "saddle", "groups", "kkt", "neurons", "margin_kkt"} <= set(found)
    assert set(found["saddle"]) == {"verdict", "evidence"}
    assert set(found["groups"]) == {"large", "small"}
    assert set(found["kkt"]) == {"method", "complete", "reason", "points"}
    point = {"direction", "value", "multiplier", "residual", "kind", "basin"}
    assert point <= set(found["kkt"]["points"][0])
    neuron = {
        "index",
        "norm",
        "target",
        "cosine",
        "rate",
        "escape_time",
        "angle_bound",
        "confidence",
    }
    neuron |= {f"escape_{what}_{end}" for what in ("time", "steps") for end in ("low", "high")}
    assert neuron <= set(found["neurons"][0])
    assert found["margin_kkt"] is None


def test_the_average_slows_everything_by_n():
    y = teacher(X, [20.0], [1.0], 2)
    tiny = 1e-8 * np.random.default_rng(0).normal(size=(3, 2))
    summed = inspect_state(state(squared(3), tiny, y)).forecast
    mean = inspect_state(state(squared(3), tiny, y, reduction="mean")).forecast
    for a, b in zip(summed.neurons, mean.neurons, strict=True):
        assert b.rate == pytest.approx(a.rate / 16)
        assert b.escape_time == pytest.approx(16 * a.escape_time)
        assert a.escape_steps == pytest.approx(a.escape_time / 1e-3)


@pytest.fixture(scope="module")
def stairs(tmp_path_factory):
    """The saddle-to-saddle preset up to the third saddle's end."""
    config = load_config("kh24-saddle-to-saddle", ["train.steps=13500", "device.kind=cpu"])
    session = Session.create(config, tmp_path_factory.mktemp("stairs"))
    session.start()
    assert session.wait(200)
    session.close()
    return session


def test_the_forecast_at_every_plateau_is_what_then_happens(stairs):
    with RunReader(stairs.folder) as reader:
        later = [reader.read(name) for name in ("time", "neuron_norm", "neuron_direction")]
    told = [step for step, kind, _ in stairs.events if kind == "saddle"]
    assert len(told) == 3
    for step in told:
        found = inspect_state(stored_state(stairs.folder, step))
        assert verdict(found) == "saddle"
        result = compare(found.forecast, *later)
        assert result.first == found.forecast.first
        first = next(o for o in result.departures if o.index == result.first)
        assert abs(first.time_error) < 0.05
        assert first.angle_error < 2.0


def test_between_the_plateaus_it_is_moving(stairs):
    for step in (4900, 9700):
        assert verdict(inspect_state(stored_state(stairs.folder, step))) == "moving"


def test_a_step_that_is_not_stored_names_the_nearest(stairs):
    with pytest.raises(BadInput, match=r"nearest: 4,990, 5,000, 5,010"):
        stored_state(stairs.folder, 5001)


def test_the_live_state_is_that_of_the_snapshot(stairs):
    found = stairs.inspected_state()
    assert found.step == 13500
    stored = stored_state(stairs.folder)
    assert stored.step == 13500
    assert np.array_equal(found.theta, stored.theta)
    assert found.log_risk == stored.log_risk


def test_the_engines_weights_are_not_touched(stairs):
    before = stairs.engine.state.theta.numpy().copy()
    inspect_state(stairs.inspected_state())
    assert np.array_equal(before, stairs.engine.state.theta.numpy())


def test_cancelling_leaves_a_sentence():
    y = teacher(X, [20.0], [1.0], 2)
    tiny = 1e-8 * np.random.default_rng(0).normal(size=(3, 2))
    found = inspect_state(state(squared(3), tiny, y), cancel=lambda: True)
    assert any("cancelled" in s for s in found.limits)


def test_unbalanced_two_layer_neurons_are_followed_by_integration():
    y = teacher(X, [20.0], [1.0], 1)
    model = TwoLayerRelu(2, 4, 0.0)
    theta = 1e-6 * np.random.default_rng(1).normal(size=12)
    s = state(model, theta, y)
    found = inspect_state(s)
    assert verdict(found) == "saddle"
    made = forecast_of(s, found.groups, found.correlation)
    assert made.followed == 4
    assert made.first is not None
