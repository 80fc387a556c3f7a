"""Steepest descent in other norms: single steps by hand, and the margin that each of them maximizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from workbench.config.toml import parse_config
from workbench.engine.program import RowBuffer, StopFlag
from workbench.errors import BadInput
from workbench.run.experiment import experiment_of
from workbench.theory.margin.svm import hard_margin_svm

RNG = np.random.default_rng(3)
X = RNG.normal(size=(12, 6)) * [1.0, 2.0, 0.5, 1.0, 3.0, 1.0]
SIDE = X @ [1.0, 0.2, -1.0, 0.5, 0.1, 0.3]
APART = np.abs(SIDE) > 0.3
DATA = {"kind": "inline", "x": X[APART].tolist(), "y": np.sign(SIDE[APART]).tolist()}
LINEAR = {"kind": "deep-linear", "depth": 1}


def experiment_for(rule, lr, model=LINEAR, loss="exponential", **more):
    return experiment_of(
        parse_config(
            {
                "data": DATA,
                "model": model,
                "init": {"kind": "gaussian", "scale": 1e-3},
                "loss": {"kind": loss},
                "train": {"rule": rule, "lr": lr, **more},
                "device": {"kind": "cpu"},
            },
            "test",
        )
    )


def theta_after(experiment, steps):
    experiment.program.run_chunk(
        experiment.state, experiment.state.step, 1, steps, None, StopFlag()
    )
    return experiment.state.theta.numpy().copy()


def margin(experiment, w, order):
    """min_i y_i⟨w, x_i⟩/‖w‖."""
    return float(
        (experiment.dataset.y * (experiment.dataset.x @ w)).min() / np.linalg.norm(w, order)
    )


def largest_margin(experiment, order):
    """max min_i y_i⟨w, x_i⟩ over ‖w‖ ≤ 1, ℓ∞ or ℓ1, as a linear program in (w⁺, w⁻, γ)."""
    rows = experiment.dataset.y[:, None] * experiment.dataset.x
    n, d = rows.shape
    a = [np.column_stack([-rows, rows, np.ones(n)])]
    b = [np.zeros(n)]
    if order == 1:
        a.append(np.append(np.ones(2 * d), 0.0)[None])
        b.append(np.ones(1))
    cost = np.append(np.zeros(2 * d), -1.0)
    bounds = [(0, 1)] * (2 * d) + [(None, None)]
    return -linprog(cost, np.concatenate(a), np.concatenate(b), bounds=bounds).fun


@pytest.mark.parametrize("rule", ["sign", "coordinate", "spectral"])
def test_a_step_has_the_length_that_is_asked_for(rule):
    model = {"kind": "two-layer-relu", "width": 4}
    experiment = experiment_for(rule, 0.01, model)
    before = experiment.state.theta.numpy().copy()
    buffer = RowBuffer(1, experiment.state.theta, experiment.output_shape)
    experiment.program.evaluate(experiment.state, buffer)
    gradient = buffer.take().gradient[0]
    moved = theta_after(experiment, 1) - before
    assert gradient @ moved < 0.0
    if rule == "sign":
        assert moved == pytest.approx(-0.01 * np.sign(gradient), abs=1e-17)
    elif rule == "coordinate":
        place = int(np.abs(gradient).argmax())
        assert np.flatnonzero(moved).tolist() == [place]
        assert moved[place] == pytest.approx(-0.01 * np.sign(gradient[place]))
    else:
        for p in experiment.structure.parameters:
            block = moved[p.start : p.stop].reshape(p.shape[0], -1)
            assert np.linalg.norm(block, 2) == pytest.approx(0.01, rel=1e-9)
    assert experiment.state.time == pytest.approx(0.01)


@pytest.mark.parametrize(("rule", "order"), [("sign", np.inf), ("coordinate", 1)])
def test_each_rule_nears_the_largest_margin_of_its_norm(rule, order):
    """And is past what gradient descent reaches of it, whose margin is that of ℓ2."""
    experiment = experiment_for(rule, 1e-2)
    best = largest_margin(experiment, order)
    early = margin(experiment, theta_after(experiment, 1_000), order)
    late = margin(experiment, theta_after(experiment, 9_000), order)
    euclid = hard_margin_svm(experiment.dataset.y[:, None] * experiment.dataset.x).direction
    assert early < late <= best * (1 + 1e-9)
    assert late > 0.97 * best
    assert margin(experiment, euclid, order) < 0.95 * best


def test_spectral_descent_of_one_row_is_euclidean():
    experiment = experiment_for("spectral", 1e-2)
    w = theta_after(experiment, 10_000)
    best = hard_margin_svm(experiment.dataset.y[:, None] * experiment.dataset.x)
    assert 0.97 * best.margin < margin(experiment, w, 2) <= best.margin * (1 + 1e-9)


def test_a_step_rests_where_the_gradient_vanishes():
    experiment = experiment_for("sign", 1e-2, loss="exponential-cubed")
    experiment.state.theta.zero_()
    assert (theta_after(experiment, 3) == 0.0).all()
    assert experiment.state.time == 0.0


def test_what_belongs_to_the_flow_is_refused():
    with pytest.raises(BadInput, match=r"train\.until belongs to train\.rule 'flow'"):
        experiment_for("sign", 1e-2, until={"log10_risk": -9})
