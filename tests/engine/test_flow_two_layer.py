"""Flows of two-layer networks in closed form: against autograd's field; sliding against short Euler steps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from tests.engine.flows import flow_of, follow, relative
from workbench.engine.program import StopFlag
from workbench.engine.programs.flow.field import FlowField
from workbench.engine.programs.flow.neuron_rows import NeuronRows
from workbench.engine.programs.flow.program import Memory
from workbench.engine.programs.flow.rosenbrock import LowRank
from workbench.engine.programs.flow.sliding import Piece, least_pull

DATA = {"kind": "gaussian-separable", "n": 12, "d": 3, "margin": 0.2, "seed": 1}
INIT = {"kind": "gaussian", "scale": 0.5}
SQUARED = {"kind": "squared-relu", "width": 6, "signs": "alternate"}
KINKED = {"kind": "two-layer-relu", "width": 6}
SMALL = {
    "squared": (DATA, SQUARED, INIT),
    "squared leaky": (DATA, {**SQUARED, "leak": 0.3}, INIT),
    "relu": (DATA, KINKED, INIT),
    "leaky": (DATA, {**KINKED, "leak": 0.3}, INIT),
}

PLANE = (
    {"kind": "gaussian-separable", "n": 50, "d": 2, "margin": 0.2, "seed": 1},
    {"kind": "two-layer-relu", "width": 24, "leak": 0.1},
    {"kind": "gaussian", "scale": 0.1},
)
SLIDES = (
    {"kind": "inline", "x": [[1.0, 0.0], [1.0, 0.3]], "y": [1.0, -1.0]},
    {"kind": "two-layer-relu", "width": 2, "leak": 0.1},
    {"kind": "inline", "values": {"u": [[0.1, 0.5], [0.3, -0.2]], "v": [-0.8, 0.3]}},
)
"""The first neuron is driven to the kink of the first sample from both sides."""


def both(model, loss):
    """The field in closed form and autograd's without a gate's width, and θ."""
    experiment = flow_of(SMALL[model], None if loss == "square" else -0.5, loss=loss, rtol=1e-3)
    field = experiment.program.field
    # To where the data are separated, off all kinks.
    experiment.program.run_chunk(
        experiment.state, 0, 1, 3 if loss == "square" else 200, None, StopFlag()
    )
    theta = experiment.state.theta.numpy().copy()
    theta += 1e-3 * np.random.default_rng(2).standard_normal(len(theta))
    field.restore(theta, None)
    x, y = experiment.program.rows.x, experiment.program.rows.y
    slow = FlowField(
        experiment.model, x, y, loss=field.loss, reduction="sum", order=2.0, gate_width=0.0
    )
    return field, slow, theta


@pytest.mark.parametrize("loss", ["exponential", "logistic", "logistic-cubed", "square"])
@pytest.mark.parametrize("model", SMALL)
def test_the_field_and_its_stiff_directions_are_autograds(model, loss):
    field, slow, theta = both(model, loss)
    rho = np.linalg.norm(theta)
    charts = [lambda f: f.near(theta)]
    if loss != "square":
        charts.append(lambda f: f.far(theta / rho, np.log(rho)))
    stage = np.random.default_rng(0).standard_normal(len(theta))
    for chart in charts:
        found, wanted = chart(field), chart(slow)
        assert relative(found.slope, wanted.slope) < 1e-12
        for name in ("height", "log_norm", "log_steep", "radial", "along", "scale"):
            assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-11)
        assert relative(found.margins, wanted.margins) < 1e-12
        fast, _ = field.jacobian(found, 1e12, np.inf)
        dense, _ = slow.jacobian(wanted, 1e12, np.inf)
        assert len(fast.core) == len(dense.core) > 3
        c = np.random.default_rng(1).standard_normal(len(fast.core))
        pairs = [
            (fast.core, dense.core),
            (fast.cross, dense.cross),
            (fast.drift + 1.0, dense.drift + 1.0),
            (fast.along(stage), dense.along(stage)),
            (fast.back(c), dense.back(c)),
        ]
        for a, b in pairs:
            assert relative(a, b) < 1e-10


@pytest.mark.parametrize("far", [False, True])
def test_stiff_directions_of_a_network_that_slides_are_those_of_projected_rows(far):
    rng = np.random.default_rng(3)
    width, d, k = 5, 4, 6
    x = rng.standard_normal((9, d))
    sides = np.where(rng.standard_normal((width, 9)) > 0, 1, -1)
    sides[1, [2, 5]] = sides[3, 0] = 0
    piece = Piece(sides, x, 0.2)
    inner, outer = rng.standard_normal((2, width, k))
    core, drift = rng.standard_normal((k, k)), rng.standard_normal(k)
    point, slope = rng.standard_normal((2, width * d + width))
    u = point[: width * d].reshape(width, d)
    piece.project(u)
    point /= np.linalg.norm(point)
    fast = NeuronRows(x[:k], inner, outer, piece, core, drift, point, slope, 1.7, far)
    dense = np.zeros((k, len(point)))
    for p in range(k):
        part = inner[:, p, None] * x[p]
        for neuron in range(width):
            held = x[sides[neuron] == 0].T
            part[neuron] -= held @ np.linalg.lstsq(held, part[neuron], rcond=None)[0]
        dense[p] = np.concatenate([part.ravel(), outer[:, p]])
    radial = dense @ point if far else np.zeros(k)
    slow = LowRank(dense - radial[:, None] * point, core, drift, radial, slope, 1.7)
    stage, c = rng.standard_normal(len(point)), rng.standard_normal(k)
    assert np.abs(fast.cross - slow.cross).max() < 1e-12
    assert np.abs(fast.along(stage) - slow.along(stage)).max() < 1e-12
    assert np.abs(fast.back(c) - slow.back(c)).max() < 1e-12
    assert np.abs(fast.lengths - np.sum(slow.rows**2, axis=1)).max() < 1e-12


def test_gates_of_least_pull_are_those_of_a_bounded_least_squares_solver():
    rng = np.random.default_rng(7)
    seen = set()
    for _ in range(60):
        count = int(rng.integers(1, 5))
        columns, rest = rng.standard_normal((count, 6)), 2.0 * rng.standard_normal(6)
        found = least_pull(rest, columns, 0.1)
        wanted = lsq_linear(columns.T, -rest, (0.1, 1.0), method="bvls", tol=1e-14).x
        assert np.abs(found - wanted).max() < 1e-9
        seen |= {0 if a == 0.1 else 2 if a == 1.0 else 1 for a in found}
    assert seen == {0, 1, 2}
    assert least_pull(rest, np.zeros((0, 6)), 0.1).shape == (0,)


def test_sliding_is_what_ever_shorter_euler_steps_come_to():
    """Explicit steps of the sharp gates in physical time chatter about a kink by their length."""
    experiment = flow_of(SLIDES, rtol=1e-8)
    state, program = experiment.state, experiment.program
    start, slid = state.theta.numpy().copy(), 0
    while state.time < 2.2:
        program.run_chunk(state, state.step, 1, 1, None, StopFlag())
        slid += int((state.memory["flow_kinks"][:, 1] == 0).sum())
    assert slid > 20
    x, y = experiment.dataset.x, experiment.dataset.y

    def euler(count):
        u, v, h = start[:4].reshape(2, 2).copy(), start[4:].copy(), state.time / count
        for _ in range(count):
            s = x @ u.T
            gate = np.where(s > 0.0, 1.0, 0.1)
            toward = h * y * np.exp(-y * ((gate * s) @ v))
            u, v = u + v[:, None] * ((gate * toward[:, None]).T @ x), v + (gate * s).T @ toward
        return np.concatenate([u.ravel(), v])

    # The first number is across the kink, where they chatter.
    found = state.theta.numpy()
    off = [np.abs(euler(count) - found) for count in (2_000, 20_000)]
    assert off[0].max() < 1e-3
    assert off[1][0] < 2e-4
    assert off[1][1:].max() < 0.15 * off[0][1:].max()


def test_chunks_and_resumption_do_not_change_a_bit_of_a_flow_that_slides():
    whole, parts = flow_of(PLANE, rtol=1e-5), flow_of(PLANE, rtol=1e-5)
    whole.program.run_chunk(whole.state, 0, 1, 320, None, StopFlag())
    slid = 0
    for count in (1, 2, 97, 60, 40, 60, 60):
        parts.program.run_chunk(parts.state, parts.state.step, 1, count, None, StopFlag())
        slid += int((parts.state.memory["flow_kinks"][:, 1] == 0).any())
        # As a new process finds it: nothing but the checkpoint.
        again = flow_of(PLANE, rtol=1e-5)
        again.state.load(parts.state.to_arrays())
        parts = again
    assert slid > 1, "no kink is slid on"
    assert Memory.of(whole.state).far == 1.0, "the late phase is not tested"
    a, b = whole.state.to_arrays(), parts.state.to_arrays()
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_networks_with_kinks_reach_any_risk_and_the_margin_never_falls(leak):
    data, network, init = PLANE
    values, memory = follow(flow_of((data, {**network, "leak": leak}, init), -800), 2000)
    assert values["log_risk"][-1] <= -800 * np.log(10.0)
    assert memory.falls == 0, memory.worst
    late = values["log_risk"] < -1.0
    smoothed = values["margin_smoothed"][late]
    assert np.all(np.diff(smoothed) >= -1e-12 * smoothed[1:])


@pytest.mark.full
def test_sliding_is_what_narrow_gates_come_to():
    """The direction at 1e−800 is off by about the width over which gates open."""
    values, _ = follow(flow_of("relu", -800, rtol=1e-7), 4000)
    wanted = values["theta"][-1] / np.linalg.norm(values["theta"][-1])
    off = []
    for width in (1e-3, 1e-4):
        found, _ = follow(flow_of("relu", -800, rtol=1e-6, gate_width=width, engine="eager"), 4000)
        theta = found["theta"][-1]
        off.append(np.abs(theta / np.linalg.norm(theta) - wanted).max())
    assert off[0] < 1e-2
    assert off[1] < 0.3 * off[0]
