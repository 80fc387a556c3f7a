"""The NCF flow, the toy landscapes and the joint search, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference_ncf as ref
from workbench.theory.ncf.flow import ncf_flow
from workbench.theory.ncf.joint import kkt_joint, stationarity
from workbench.theory.ncf.kkt_cells import kkt_cells
from workbench.theory.ncf.landscapes import (
    Landscape,
    branching_path,
    clarke_vertices,
    landscape_gradient,
    min_norm_subgradient,
)
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind

F, G = Landscape.BRANCHING, Landscape.LEAVING


def f_value(u):
    return u[:, 0] * np.abs(u[:, 1])


def f_gradient(u):
    return landscape_gradient(u, F)


def on_circle(*degrees):
    angle = np.deg2rad(degrees)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def test_quadratic_flow_in_closed_form_through_blow_up():
    """α = 1: u(t) = exp(2Mt) u(0), whose norm passes 1e300 without harm."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(8, 3)), rng.normal(size=8) + 2
    values, vectors = np.linalg.eigh((x * z[:, None]).T @ x)
    start, time = rng.normal(size=(5, 3)), np.array([0.0, 0.01, 0.1, 50.0])
    path = ncf_flow(start, Ncf(x, z, NeuronKind.SQUARED_RELU, 1.0).gradient, time, tolerance=1e-6)
    assert path.reached.all()
    assert path.outcome.converged
    for t, direction, log_norm in zip(time, path.direction, path.log_norm, strict=True):
        part = start @ vectors
        logs = 2 * t * values + np.log(np.abs(part))
        top = logs.max(axis=1)
        exact = np.sign(part) * np.exp(logs - top[:, None])
        size = np.linalg.norm(exact, axis=1)
        assert direction == pytest.approx(exact / size[:, None] @ vectors.T, abs=1e-4)
        assert log_norm == pytest.approx(top + np.log(size), rel=1e-5, abs=1e-4)
    assert path.log_norm[-1].max() > 700


def test_third_order_blows_up_in_finite_time():
    """L = 3, N = w³ on the line: ‖w‖ = 1/(1/‖w(0)‖ − 3t)."""
    path = ncf_flow(
        np.array([[0.5]]), lambda u: 3 * u**2, np.array([0.1, 0.3]), order=3, tolerance=1e-6
    )
    assert np.exp(path.log_norm[:, 0]) == pytest.approx(
        1 / (2 - 3 * np.array([0.1, 0.3])), rel=0.05
    )


def test_flow_on_f_conserves_and_turns_to_45_degrees():
    """KH24 App. E: u_1² − u_2² is conserved; from (1, ±ε) the direction goes to (1, ±1)/√2."""
    time = np.linspace(0.0, 20.0, 41)
    path = ncf_flow(np.array([[1.0, 1e-3], [1.0, -1e-3]]), f_gradient, time, tolerance=1e-6)
    assert path.direction[-1] == pytest.approx(on_circle(45, -45), abs=1e-6)
    u = np.exp(path.log_norm[:20, :, None]) * path.direction[:20]
    assert u[:8, :, 0] ** 2 - u[:8, :, 1] ** 2 == pytest.approx(1 - 1e-6, rel=1e-2)


def test_branching_path_solves_the_inclusion():
    t = np.linspace(0, 3, 31)
    path = branching_path(t, 1.0, -1.0)
    assert path[:10] == pytest.approx(np.tile([1.0, 0.0], (10, 1)))
    late = branching_path(np.array([2.0 - 1e-6, 2.0 + 1e-6]), 1.0, -1.0)
    assert (late[1] - late[0]) / 2e-6 == pytest.approx(f_gradient(path[20][None])[0], rel=1e-6)
    assert np.linalg.norm(min_norm_subgradient(np.array([1.0, 0.0]), F)) < 1e-12


def test_f_is_one_two_layer_neuron_and_has_the_known_points():
    """u_1|u_2| = v(σ(u) + σ(−u)): ±45° maxima, ±135° minima, 0° repelling, 180° a local maximum."""
    found = kkt_cells(Ncf(np.array([[1.0], [-1.0]]), np.ones(2), NeuronKind.TWO_LAYER_RELU))
    angle = {
        round(float(np.rad2deg(np.arctan2(p.direction[1], p.direction[0]))) % 360): (
            p.kind,
            round(p.value, 12) + 0.0,
        )
        for p in found.points
    }
    assert angle == {
        45: ("max", 0.5),
        315: ("max", 0.5),
        135: ("min", -0.5),
        225: ("min", -0.5),
        0: ("min", 0.0),
        180: ("max", 0.0),
    }


def test_joint_search_on_f():
    found = kkt_joint(f_value, f_gradient, 2, starts=400, seed=1)
    assert not found.complete
    angles = sorted(
        round(float(np.rad2deg(np.arctan2(*p.direction[::-1]))), 3) for p in found.points
    )
    assert {-45.0, 45.0} <= set(angles)
    tops = [p for p in found.points if p.value > 0.4]
    assert len(tops) == 2
    for p in tops:
        assert (p.kind, p.value, p.multiplier) == ("max", pytest.approx(0.5), pytest.approx(1.0))
        assert p.residual < 1e-8
    rest = [p for p in found.points if p.value <= 0.4]
    assert all(abs(abs(np.rad2deg(np.arctan2(*p.direction[::-1]))) - 180) < 0.1 for p in rest)
    assert sum(p.basin for p in found.points) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 8, 13])
def test_joint_search_finds_what_enumeration_knows(seed):
    case = ref.make_case(seed, d=3)
    kind = NeuronKind.SQUARED_RELU
    ncf = Ncf(case.x, case.z, kind, case.leak)
    exact = kkt_cells(ncf)
    found = kkt_joint(
        ncf.value,
        ncf.gradient,
        3,
        starts=64,
    )
    tops = [p for p in exact.of_kind("max") if p.value > 1e-9]
    for p in found.points:
        if p.value > 1e-6:
            assert ref.nearest(p.direction, [q.direction for q in tops]) < 1e-5
            assert p.kind == "max"
            assert p.residual < 1e-6
    assert found.points[0].value == pytest.approx(max(p.value for p in exact.points), abs=1e-9)


def test_joint_search_refuses_and_cancels():
    with pytest.raises(ValueError, match="starts"):
        kkt_joint(lambda u: u[:, 0], lambda u: u, 2, starts=0)
    stopped = kkt_joint(f_value, f_gradient, 2, cancel=lambda: True)
    assert stopped.outcome.cancelled
    assert stopped.directions.shape == (0, 2)


def test_sampled_subdifferential_sees_kinks():
    """At (1, 0) the two slopes of f cancel; one gradient alone would not at (0.6, 0.8)."""
    assert stationarity(np.array([1.0, 0.0]), f_gradient) < 1e-6
    assert stationarity(np.array([0.6, 0.8]), f_gradient) > 0.1


@pytest.mark.parametrize("delta", [1e-6, 0.01, 0.05, 0.0999])
def test_g_is_left_in_constant_time(delta):
    """KH24 App. I: 0 ∈ ∂g(1, 0), but ‖∂g‖ ≥ 1 at (1+δ, δ) and the flow is 0.09 away at t = 0.1."""
    assert len(clarke_vertices(np.array([1.0, 0.0]), G)) == 2
    assert np.linalg.norm(min_norm_subgradient(np.array([1.0, 0.0]), G)) < 1e-12
    u = np.array([1 + delta, delta])
    assert np.linalg.norm(min_norm_subgradient(u, G)) >= 1.0
    for _ in range(10_000):
        u = u - 1e-5 * landscape_gradient(u[None], G)[0]
    assert np.linalg.norm(u - [1.0, 0.0]) >= 0.09


def test_flow_refuses_zero_starts_and_falling_times():
    with pytest.raises(ValueError, match="nonzero"):
        ncf_flow(np.zeros((1, 2)), f_gradient, np.array([1.0]))
    with pytest.raises(ValueError, match="rise"):
        ncf_flow(np.ones((1, 2)), f_gradient, np.array([1.0, 0.5]))
