"""The certificate in the norm of the run's rule, beside ℓ2's: linear solutions, runs, words."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from commands.inspect import show
from workbench.config.toml import parse_config
from workbench.engine.program import StopFlag
from workbench.inspector.inspect import certified, inspect_state
from workbench.inspector.margin import margin_certificate
from workbench.inspector.optimality import optimality_verdict
from workbench.norms.registry import norm_called
from workbench.run.experiment import experiment_of
from workbench.theory.margin.linear_margin import linear_margin
from workbench.tui.inspect.margin_words import certificates_table, note_lines

Z = np.array([[1, 0.2, -0.1], [0.3, 1, 0.4], [0.8, -0.5, 0.6], [0.2, 0.7, -0.3]])
LINEAR = {"kind": "deep-linear", "depth": 1}


def experiment_for(rule, model=LINEAR, x=Z, lr=0.01, epsilon=0.0):
    return experiment_of(
        parse_config(
            {
                "data": {"kind": "inline", "x": x.tolist(), "y": [1.0] * len(x)},
                "model": model,
                "init": {"kind": "gaussian", "scale": 0.1, "seed": 2},
                "loss": {"kind": "exponential"},
                "train": {"rule": rule, "lr": lr, "epsilon": epsilon},
                "device": {"kind": "cpu", "engine": "eager"},
            },
            "test",
        )
    )


@pytest.mark.parametrize(
    ("rule", "norm"), [("sign", "linf"), ("coordinate", "l1"), ("adam", "linf")]
)
def test_a_linear_solution_is_certified_in_its_own_norm(rule, norm):
    w = linear_margin(Z, norm_called(norm, ())).w
    experiment = experiment_for(rule)
    found = margin_certificate(experiment.inspected(400.0 * w, step=3))
    report = json.loads(json.dumps(found.as_json(), allow_nan=False))
    own = report["own_norm"]
    assert own["norm"] == norm_called(norm, ()).symbol
    assert own["epsilon"] <= 1e-10
    assert own["delta"] <= 1e-10
    assert own["norm2"] == pytest.approx(
        float(linear_margin(Z, norm_called(norm, ())).margin) ** -2
    )
    # No KKT point of ℓ2's problem.
    assert report["epsilon"] > 0.1
    # Far out the risk's own multipliers sit on the active samples alone, though not in the best shares.
    assert own["paper_delta"] <= 1e-10
    assert 0.5 < own["dual_alignment"] < 1.0


def test_runs_of_the_gradient_have_no_other_norm():
    w = linear_margin(Z, norm_called("l2", ())).w
    found = margin_certificate(experiment_for("constant").inspected(30.0 * w, step=0))
    assert found.own is None
    assert found.as_json()["own_norm"] is None
    # Nor has Adam with an ε, against which the gradient vanishes.
    assert experiment_for("adam", epsilon=1e-8).inspected(30.0 * w, step=0).norm == norm_called(
        "l2", ()
    )


@pytest.mark.parametrize(
    ("rule", "symbol"), [("sign", "ℓ∞"), ("coordinate", "ℓ1"), ("spectral", "spectral")]
)
def test_a_run_nears_a_point_of_its_norm(rule, symbol):
    """Nearer than gradient descent from the same start, which nears one of ℓ2's."""
    x = np.random.default_rng(1).normal([1.5, 0.0, 0.5], size=(6, 3))
    found = {}
    for name in (rule, "normalized"):
        experiment = experiment_for(name, {"kind": "two-layer-relu", "width": 3}, x, lr=0.02)
        program, state = experiment.program, experiment.state
        program.run_chunk(state, state.step, 1, 800, None, StopFlag())
        at = experiment.inspected(state.theta.numpy().copy(), step=1)
        norm = (
            experiment_for(rule, {"kind": "two-layer-relu", "width": 3}, x)
            .inspected(at.theta, step=1)
            .norm
        )
        own = margin_certificate(replace(at, norm=norm)).own
        assert own is not None
        assert own.symbol == symbol
        assert own.best.divergence_low <= own.best.divergence
        assert own.best.divergence <= own.best.divergence_low + 1e-4 * own.norm2
        assert own.best.divergence <= own.paper.divergence * (1 + 1e-6)
        found[name] = own.best.divergence / own.norm2
    assert found[rule] < 0.5 * found["normalized"]


def test_screens_and_documents_say_it():
    x = np.array([[0.0, 1.0], [1.0, 0.2], [0.5, 0.7]])
    experiment = experiment_for("sign", {"kind": "two-layer-relu", "width": 2}, x)
    experiment.program.run_chunk(experiment.state, experiment.state.step, 1, 900, None, StopFlag())
    state = experiment.inspected(experiment.state.theta.numpy().copy(), step=900)
    inspection = certified(inspect_state(state, hessian=False), state)
    paper = StringIO()
    show(inspection, Console(file=paper, width=200))
    text = paper.getvalue()
    assert "best in ℓ∞" in text
    assert "the paper's in ℓ∞" in text
    assert "goes to KKT points of (P) in it" in text
    names = [row[0][0] for row in certificates_table(inspection.margin).rows]
    assert names[-3:] == ["best in ℓ∞", "the paper's in ℓ∞", "polished point"]
    assert any("dual alignment" in line for line, _ in note_lines(inspection.margin))
    assert any("about (P) in ℓ2" in note for note in optimality_verdict(state).notes)
