"""Margins and dual alignment in ℓ1, ℓ∞ and the spectral norm: slow loops, huge states, descent in each."""

from __future__ import annotations

from math import log
from typing import get_args

import numpy as np
import pytest
from cases import small

from workbench.config.run import NormName
from workbench.config.toml import parse_config
from workbench.engine.program import RowBuffer, StopFlag
from workbench.measures.series.margin_norms import MARGIN_NORMS
from workbench.norms.registry import NORM_NAMES, norm_called
from workbench.run.experiment import experiment_of

ALL = 'measures.norms=["l1","linf","spectral"]'
VARIANTS = {
    "two-layer": (),
    "exponential, averaged": ("loss.kind=exponential", "loss.reduction=mean"),
    "deep": ("model.kind=deep-relu", "model.widths=[4,3]", "data.d=3", "init.kind=he"),
    "classes": (
        "data.kind=digits",
        "data.n=40",
        "model.kind=deep-relu",
        "model.widths=[6]",
        "loss.kind=cross-entropy",
        "init.kind=he",
    ),
}
Z = [[1.0, 0.2, -0.1], [0.3, 1.0, 0.4], [0.8, -0.5, 0.6], [0.2, 0.7, -0.3]]
"""y_i x_i of four samples with other max-margin directions in ℓ1, ℓ2 and ℓ∞."""


def rows_of(experiment, count=12, every=7):
    buffer = RowBuffer(count, experiment.state.theta, experiment.output_shape)
    experiment.program.run_chunk(experiment.state, 0, count, every, buffer, StopFlag())
    return buffer.take()


def slow_norm(name, theta, structure, dual=False):
    if name == "spectral":
        found = []
        for p in structure.parameters:
            w = theta[p.start : p.stop].reshape(p.shape[0], -1)
            small_side = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
            found.append(np.sqrt(np.maximum(np.linalg.eigvalsh(small_side), 0.0)))
        return sum(s.sum() for s in found) if dual else max(s.max() for s in found)
    add_up = (name == "l1") != dual
    sizes = [abs(float(v)) for v in theta]
    return sum(sizes) if add_up else max(sizes)


def test_the_configuration_and_the_registry_name_the_same_norms():
    assert get_args(NormName) == NORM_NAMES


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_values_are_those_of_slow_loops(variant):
    experiment = experiment_of(small(ALL, *VARIANTS[variant]))
    panel, structure = experiment.panel, experiment.structure
    rows = rows_of(experiment)
    values = panel.compute(rows)
    assert {s.name for s in MARGIN_NORMS.series} <= set(values)
    order = int(panel.order)
    for t, theta in enumerate(rows.theta):
        gradient = rows.gradient[t] * np.exp(rows.gradient_log_scale[t])
        risk = float(np.exp(values["log_risk"][t])) * (len(panel.y) if panel.log_n else 1)
        inverse = -log(risk) if variant.startswith("exponential") else -log(np.expm1(risk))
        for name in NORM_NAMES:
            size = slow_norm(name, theta, structure)
            steep = slow_norm(name, gradient, structure, dual=True)
            expected = {
                "margin_normalized": values["q_min"][t] / size**order,
                "margin_smoothed": inverse / size**order,
                "dual_alignment": -float(theta @ gradient) / size / steep,
            }
            for series, value in expected.items():
                # The eigenvalues of GᵀG have half the digits where G has nearly rank one.
                rel = 1e-6 if (name, series) == ("spectral", "dual_alignment") else 1e-10
                assert values[f"{series}_{name}"][t] == pytest.approx(value, rel=rel), series
            assert abs(values[f"dual_alignment_{name}"][t]) <= 1.0 + 1e-12


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_a_row_does_not_depend_on_the_rows_beside_it(variant):
    panel_of = experiment_of(small(ALL, *VARIANTS[variant]))
    rows = rows_of(panel_of)
    whole = panel_of.panel.compute(rows)
    parts = [panel_of.panel.compute(rows.part(i, j)) for i, j in [(0, 1), (1, 2), (2, 7), (7, 12)]]
    for series in MARGIN_NORMS.series:
        joined = np.concatenate([part[series.name] for part in parts])
        assert joined.tobytes() == whole[series.name].tobytes(), series.name


def test_which_norms_a_run_has():
    def norms_in(*settings):
        shapes = experiment_of(small(*settings)).panel.shapes()
        kinds = ("margin_normalized", "margin_smoothed", "dual_alignment")
        return {n: [k for k in kinds if f"{k}_{n}" in shapes] for n in NORM_NAMES}

    every = ["margin_normalized", "margin_smoothed", "dual_alignment"]
    assert norms_in() == {"l1": [], "linf": [], "spectral": []}
    for rule, name in (
        ("sign", "linf"),
        ("adam", "linf"),
        ("coordinate", "l1"),
        ("spectral", "spectral"),
    ):
        found = norms_in(f"train.rule={rule}", "train.lr=1e-2")
        assert found == {n: every if n == name else [] for n in NORM_NAMES}
    assert norms_in('measures.norms=["l1"]', "train.rule=sign")["l1"] == every
    regression = norms_in(
        ALL, "data.kind=kh24-circle", "model.kind=squared-relu", "loss.kind=square"
    )
    assert regression == {n: ["dual_alignment"] for n in NORM_NAMES}


def test_margins_do_not_change_with_the_size_of_theta():
    """At risks far below 1e−800: γ̄ and the sign pattern of the gradient's limit are those of order one."""
    experiment = experiment_of(small(ALL, "loss.kind=exponential", "train.lr=0.02"))
    rows_of(experiment, 2, 600)
    before = experiment.panel.compute(rows_of(experiment, 1, 1))
    assert before["q_min"][0] > 0.0
    experiment.state.theta.mul_(1e4)
    far = experiment.panel.compute(rows_of(experiment, 1, 1))
    assert far["log_risk"][0] < -800 * log(10.0)
    for name in NORM_NAMES:
        normalized = f"margin_normalized_{name}"
        assert far[normalized][0] == pytest.approx(before[normalized][0], rel=1e-5)
        assert far[f"margin_smoothed_{name}"][0] == pytest.approx(far[normalized][0], rel=1e-3)
        assert 0.0 < far[f"dual_alignment_{name}"][0] <= 1.0


def test_what_vanishes_or_is_no_number_is_marked_as_in_euclid():
    experiment = experiment_of(small(ALL))
    rows = rows_of(experiment, 4)
    rows.theta[1] = 0.0
    rows.gradient[2] = 0.0
    rows.theta[3, 2] = np.nan
    values = experiment.panel.compute(rows)
    for name in NORM_NAMES:
        for ours, euclid in (
            ("margin_normalized", "margin_normalized"),
            ("margin_smoothed", "margin_smoothed"),
            ("dual_alignment", "alignment"),
        ):
            # A θ of 0 has no direction, and a margin beyond every bound.
            found, known = values[f"{ours}_{name}"], values[euclid]
            assert np.isfinite(found).tolist() == np.isfinite(known).tolist(), (ours, name)


def linear(rule, **train):
    """A linear predictor on Z from 0, stepped by a rule."""
    return experiment_of(
        parse_config(
            {
                "data": {"kind": "inline", "x": Z, "y": [1.0] * 4},
                "model": {"kind": "deep-linear", "depth": 1},
                "init": {"kind": "gaussian", "scale": 1e-9},
                "loss": {"kind": "exponential"},
                "train": {"rule": rule, "lr": 2e-3, **train},
                "measures": {"norms": list(NORM_NAMES)},
                "device": {"kind": "cpu"},
            },
            "test",
        )
    )


@pytest.mark.parametrize(
    ("rule", "name", "best"),
    [("sign", "linf", 0.7), ("coordinate", "l1", 11 / 30), ("spectral", "spectral", 0.494452)],
)
def test_the_smoothed_margin_never_falls_under_its_rule(rule, name, best):
    values = linear(rule).panel.compute(rows_of(linear(rule), 1_500, 3))
    separated = values["log_risk"] < 0.0
    smoothed = values[f"margin_smoothed_{name}"][separated]
    normalized = values[f"margin_normalized_{name}"][separated]
    assert len(smoothed) > 1_000
    assert (np.diff(smoothed) >= 0.0).all()
    assert (smoothed <= normalized * (1 + 1e-12)).all()
    size = norm_called(name, ((1, 3),)).norm(np.array([1.0, 0.0, 0.0]))
    assert size == 1.0
    assert 0.9 * best < normalized[-1] <= best * (1 + 1e-6)
    # One row has the spectral norm ℓ2.
    assert values["margin_normalized_spectral"] == pytest.approx(values["margin_normalized"])
    assert values["dual_alignment_spectral"] == pytest.approx(values["alignment"])


def test_the_smoothed_margin_of_another_norm_does_fall():
    """So that the test above can fail."""
    values = linear("coordinate").panel.compute(rows_of(linear("coordinate"), 1_500, 3))
    separated = values["log_risk"] < 0.0
    assert (np.diff(values["margin_smoothed_linf"][separated]) < 0.0).any()


@pytest.mark.parametrize(
    ("name", "theta", "multipliers"),
    [("linf", [1.0, 1.0, 2 / 3], [1.0, 2.0]), ("l1", [2 / 3, 1 / 3, 0.0], [1.0, 2.6])],
)
def test_the_dual_alignment_is_one_at_the_max_margin_direction_alone(name, theta, multipliers):
    """The last two samples are on the margin, and −∇𝓛 is the combination of them that lies in ∂½‖θ‖²."""
    experiment = linear("constant")
    rows = rows_of(experiment, 1, 1)
    rows.theta[0], rows.gradient[0] = theta, -np.array(multipliers) @ np.array(Z[2:])
    values = experiment.panel.compute(rows)
    for other in NORM_NAMES:
        found = values[f"dual_alignment_{other}"][0]
        assert found == pytest.approx(1.0, abs=1e-14) if other == name else found < 0.99
