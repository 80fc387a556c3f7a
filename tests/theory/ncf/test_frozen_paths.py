"""Paths on a frozen residual against closed forms and against the gradient flow that they forecast."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference_ncf as ref
from workbench.theory.ncf.flow_paths import flow_paths
from workbench.theory.ncf.frozen_residual import frozen_paths
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.paths import point_at

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU


def kh24():
    angle = np.deg2rad(7.2 * np.arange(50))
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    return x, 5 * np.maximum(0, x[:, 0]) ** 2 + 4 * np.maximum(0, -x[:, 0]) ** 2


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_on_a_kkt_point_the_time_is_closed_form(kind):
    """ln(r/‖w‖)/(2N), no turn."""
    x, z = kh24()
    ncf = Ncf(x, z, kind)
    found = kkt_points(ncf)
    tops = [i for i, p in enumerate(found.points) if p.kind == "max" and p.value > 0]
    w = 1e-6 * np.stack([found.points[i].direction for i in tops])
    value = found.values[tops]
    for paths in (frozen_paths, flow_paths):
        got = paths(w, ncf, found, 0.5)
        assert got.target.tolist() == tops
        assert got.outcome.converged
        assert got.escape_time == pytest.approx(np.log(0.5e6) / (2 * value))


def test_quadratic_form_in_closed_form():
    """α = 1, d = 3: log‖w(t)‖ = ½ log Σ c_i² e^{4 μ_i t}, solved for the radius."""
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(10, 3)), rng.normal(size=10) + 0.5
    values, vectors = np.linalg.eigh((x * z[:, None]).T @ x)
    w = 1e-5 * rng.normal(size=(20, 3))
    ncf = Ncf(x, z, SQUARED, 1.0)
    found = kkt_points(ncf)
    got = flow_paths(w, ncf, found, 1.0, tolerance=1e-6)
    part = (w @ vectors) ** 2
    for c, escape, target in zip(part, got.escape_time, got.target, strict=True):
        low, high = 0.0, 100.0
        for _ in range(200):
            middle = 0.5 * (low + high)
            top = (4 * values * middle + np.log(c)).max()
            grown = 0.5 * (top + np.log(np.exp(4 * values * middle + np.log(c) - top).sum()))
            low, high = (middle, high) if grown < 0 else (low, middle)
        assert escape == pytest.approx(low, rel=1e-4)
        assert abs(found.points[target].value - values[-1]) < 1e-9


def by_arcs(w, ncf, found):
    """Targets from the arcs between critical points: exact, of squared ReLU and of balanced neurons."""
    items = ncf.critical_items
    middle = 0.5 * (items.start + items.end)
    angle = np.arctan2(w[:, -1], w[:, -2])
    sign = np.ones(len(w)) if ncf.kind is SQUARED else np.sign(w[:, 0])
    item = np.where(sign > 0, items.target(angle, 1), items.target(angle, -1))
    return np.array(
        [point_at(found, ncf.kind, float(middle[i]), s) for i, s in zip(item, sign, strict=True)]
    )


@pytest.mark.parametrize("seed", range(8))
def test_targets_in_the_plane_match_integration(seed):
    """Arcs against a long explicit integration of the direction flow."""
    case = ref.make_case(seed)
    ncf = Ncf(case.x, case.z, SQUARED, case.leak)
    found = kkt_points(ncf)
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(40, 2))
    target = by_arcs(w, ncf, found)
    followed = frozen_paths(w, ncf, found, 1e3).target
    u = w / np.linalg.norm(w, axis=1, keepdims=True)
    bound = np.abs(case.z) @ np.sum(case.x**2, axis=1)
    for _ in range(6_000):
        u = u + 0.4 / bound * ref.squared_gradient(u, case.x, case.z, case.leak)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    assert (target >= 0).all()
    # On the way to a flat set's edge neurons are said to have no target.
    flat = np.array([found.points[t].kind == "flat" for t in target])
    assert ((followed == target) | ((followed == -1) & flat)).all()
    for end, index in zip(u, target, strict=True):
        p = found.points[index]
        if p.kind == "flat":
            assert ncf.value(end[None])[0] == pytest.approx(p.value, abs=1e-4 * bound)
        elif p.kind == "max":
            assert end @ p.direction > 0.999, case.name


def test_forecast_of_two_layer_neurons_is_where_they_go():
    """Balanced and unbalanced neurons, mixed signs, against small Euler steps of the joint flow."""
    case = ref.make_case(12)
    ncf = Ncf(case.x, case.z, TWO_LAYER, case.leak)
    found = kkt_points(ncf)
    rng = np.random.default_rng(0)
    w = rng.normal(size=(30, 3))
    w[:15, 0] = np.sign(w[:15, 0]) * np.linalg.norm(w[:15, 1:], axis=1)
    w *= 1e-4
    got = frozen_paths(w, ncf, found, 1.0)
    scale = np.abs(case.z) @ np.linalg.norm(case.x, axis=1)
    h = 5e-3 / scale
    log_norm = np.log(np.linalg.norm(w, axis=1))
    u = w / np.linalg.norm(w, axis=1, keepdims=True)
    escaped = np.full(len(w), np.inf)
    for k in range(40_000):
        u = u + h * ref.two_layer_gradient(u, case.x, case.z, case.leak)
        size = np.linalg.norm(u, axis=1)
        log_norm += np.log(size)
        u /= size[:, None]
        escaped = np.where(np.isinf(escaped) & (log_norm >= 0), (k + 1) * h, escaped)
        if np.isfinite(escaped).all():
            break
    known = got.escape_time < 0.95 * 40_000 * h
    assert known.sum() >= 15
    assert escaped[known] == pytest.approx(got.escape_time[known], rel=0.01)
    for i in np.flatnonzero(known):
        assert found.points[got.target[i]].direction @ u[i] > 0.99
    assert not np.isfinite(escaped[np.isinf(got.escape_time)]).any()


@pytest.mark.parametrize("seed", [0, 1, 4, 6, 7, 8, 10])
def test_two_layer_targets_by_arcs_and_by_integration_agree(seed):
    """Balanced neurons stay balanced: the arcs of the circle and the sliding flow name one target.

    Where the arcs name a one-sided inflection with N > 0 the flow takes for ever to reach it, and
    any error of integration passes it: there the two may differ.
    """
    case = ref.make_case(seed)
    ncf = Ncf(case.x, case.z, TWO_LAYER, case.leak)
    found = kkt_points(ncf)
    w = np.random.default_rng(seed).normal(size=(30, 3))
    w[:, 0] = np.sign(w[:, 0]) * np.linalg.norm(w[:, 1:], axis=1)
    target = by_arcs(w, ncf, found)
    by_flow = flow_paths(w, ncf, found, 1e3)
    assert (by_flow.target >= 0).all()
    same = target == by_flow.target
    flat = [found.points[t].kind == "flat" for t in by_flow.target]
    one_sided = [found.points[t].kind == "saddle" and found.points[t].value > 0 for t in target]
    assert (same | flat | one_sided).all(), case.name
    assert not np.isnan(by_flow.escape_time).any()


def test_forecast_agrees_with_training():
    """Squared ReLU on the KH24 circle, summed square loss: the first neurons to leave and when."""
    x, y = kh24()
    w = 1e-6 * np.random.default_rng(3).normal(size=(6, 2))
    ncf = Ncf(x, y, SQUARED)
    found = kkt_points(ncf)
    radius = 1e-2
    got = frozen_paths(w, ncf, found, radius)
    u, h, reached = w.copy(), 2e-5, np.full(6, np.nan)
    for k in range(20_000):
        error = y - np.sum(np.maximum(u @ x.T, 0) ** 2, axis=0)
        u = u + h * 2 * (np.maximum(u @ x.T, 0) * error) @ x
        out = np.isnan(reached) & (np.linalg.norm(u, axis=1) >= radius)
        reached[out] = (k + 1) * h
        if not np.isnan(reached).any():
            break
    first = np.argsort(got.escape_time)[:2]
    assert reached[first] == pytest.approx(got.escape_time[first], rel=0.01)
    assert np.nanargmin(reached) == first[0]


def test_dead_neurons_stay_and_flat_targets_are_named():
    """KH24 Fig. 4's residual: neurons in the flat arc keep their direction and never leave."""
    x, _ = kh24()
    z = 4 * np.maximum(0, -x[:, 0]) ** 2
    ncf = Ncf(x, z, SQUARED)
    found = kkt_points(ncf)
    angle = np.deg2rad([0.0, 3.0, -3.0, 30.0, 179.0])
    w = 1e-5 * np.column_stack([np.cos(angle), np.sin(angle)])
    got = frozen_paths(w, ncf, found, 1.0)
    kinds = [found.points[t].kind for t in got.target]
    assert kinds == ["flat", "flat", "flat", "max", "max"]
    assert np.isinf(got.escape_time[:3]).all()
    assert np.isfinite(got.escape_time[3:]).all()


def test_zero_neurons_escaped_neurons_and_bad_radius():
    x, y = kh24()
    ncf = Ncf(x, y, SQUARED)
    found = kkt_points(ncf)
    got = frozen_paths(np.array([[0.0, 0.0], [2.0, 0.0]]), ncf, found, 1.0)
    assert got.target[0] == -1
    assert np.isnan(got.escape_time[0])
    assert got.escape_time[1] == 0.0
    with pytest.raises(ValueError, match="radius"):
        frozen_paths(np.ones((1, 2)), ncf, found, 0.0)


def test_negative_output_sign_is_the_callers():
    """Sign −1 sees −z: on positive labels such neurons shrink."""
    x, y = kh24()
    ncf = Ncf(x, -y, SQUARED)
    found = kkt_points(ncf)
    got = frozen_paths(1e-3 * np.eye(2), ncf, found, 1.0)
    assert np.isinf(got.escape_time).all()


def test_high_dimension_uses_multistart_points():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(200, 20)), rng.normal(size=200)
    ncf = Ncf(x, z, SQUARED)
    found = kkt_points(ncf, starts=256)
    w = 1e-6 * rng.normal(size=(30, 20))
    got = frozen_paths(w, ncf, found, 1.0)
    known = got.target >= 0
    assert known.mean() > 0.9
    assert np.isfinite(got.escape_time[known]).all()
    least = np.log(1 / np.linalg.norm(w[known], axis=1)) / (2 * found.values[0])
    assert (got.escape_time[known] >= least * (1 - 1e-6)).all()
