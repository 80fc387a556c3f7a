"""The SVM in the tangent features and the linear program over directions, as the inspector shows them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from workbench.config.toml import parse_config
from workbench.inspector.inspect import certified, inspect_state
from workbench.inspector.margin import margin_certificate
from workbench.inspector.margin_limit import margin_limit
from workbench.inspector.state import InspectedState
from workbench.run.experiment import experiment_of
from workbench.run.session import Session
from workbench.theory.margin.linear_program import margin_program
from workbench.tui.inspect.margin_words import note_lines


def table(**tables):
    return {
        "data": {"kind": "jt20-planar", "n": 16, "margin": 0.5},
        "model": {"kind": "squared-relu", "width": 8, "signs": "alternate"},
        "init": {"kind": "gaussian", "scale": 0.3, "seed": 2},
        "loss": {"kind": "exponential"},
        "train": {"rule": "flow", "rtol": 1e-7, "steps": 2000, "until": {"log10_risk": -300.0}},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
        **tables,
    }


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    with Session.create(parse_config(table(), "test"), tmp_path_factory.mktemp("run")) as session:
        session.start()
        assert session.wait(60)
    return session.experiment.inspected(session.engine.snapshot.theta, step=1)


def at(state, theta):
    return InspectedState.of(
        state.risk, state.structure, theta, order=state.order, learning_rate=1.0
    )


def test_both_meet_at_the_kkt_point(state):
    far = margin_limit(state)
    point = margin_certificate(state).polished
    assert point is not None
    assert point.outcome.converged
    near = margin_limit(at(state, 30.0 * point.theta))
    assert near.tangent.angle < 1e-6 < far.tangent.angle
    assert near.tangent.margin_ratio == pytest.approx(1.0, abs=1e-9)
    assert near.margin == pytest.approx(near.program.value, rel=1e-9)
    assert far.margin < far.program.value
    assert far.margin == pytest.approx(
        float((state.y * state.outputs).min() / np.sum(state.theta**2)), rel=1e-12
    )


def test_the_program_is_that_of_the_present_directions(state):
    """Features made by a loop, other shares of the simplex are no better."""
    u = state.theta.reshape(8, -1)
    phi = np.array(
        [
            [y * (-1.0) ** j * max(0.0, w @ x / np.linalg.norm(w)) ** 2 for j, w in enumerate(u)]
            for x, y in zip(state.x, state.y, strict=True)
        ]
    )
    found = margin_limit(state)
    assert found.program.value == pytest.approx(margin_program(phi).value, rel=1e-10)
    assert found.shares == pytest.approx((u**2).sum(axis=1) / (u**2).sum(), rel=1e-12)
    rng = np.random.default_rng(0)
    for s in rng.dirichlet(np.ones(8), 200):
        assert (phi @ s).min() <= found.program.value_above + 1e-12


def test_the_inspector_carries_them(state):
    found = certified(inspect_state(state, hessian=False), state)
    limit = json.loads(json.dumps(found.as_json()["margin_kkt"]["limit"]))
    assert set(limit["tangent_svm"]) == {"angle", "angle_error", "margin_ratio"}
    assert set(limit["linear_program"]) == {"value", "value_above", "margin", "weights", "shares"}
    assert sum(limit["linear_program"]["weights"]) == pytest.approx(1.0)
    lines = [text for text, _ in note_lines(found.margin)]
    assert any("tangent features" in line for line in lines)
    assert any("Prop. 4.6" in line for line in lines)


def test_what_does_not_apply_says_why(monkeypatch, state):
    made = experiment_of(parse_config(table(model={"kind": "two-layer-relu", "width": 6}), "test"))
    start = np.random.default_rng(0).standard_normal(made.structure.size)
    other = made.inspected(start, step=0)
    found = margin_limit(other)
    assert found.program is None
    assert "squared ReLU" in found.why_no_program
    assert found.as_json()["linear_program"] == {"reason": found.why_no_program}
    monkeypatch.setattr("workbench.inspector.margin_limit.MOST_CONSTRAINTS", 3)
    monkeypatch.setattr("workbench.inspector.margin_limit.MOST_PROGRAM_NUMBERS", 3)
    few = margin_limit(state)
    assert few.tangent is None
    assert few.program is None
    assert "here are 16" in few.why_no_tangent
    assert "here are 128" in few.why_no_program
    assert replace(few, why_no_tangent="", why_no_program="").sentences() == ()
