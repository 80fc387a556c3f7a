"""The panel of measures: values against plain formulas, and rows that do not know their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from cases import small

from workbench.engine.program import RowBuffer, StopFlag
from workbench.measures.margins import margins_median_normalized
from workbench.measures.rows import Rows
from workbench.record.layouts import coordinates_of, layouts_of
from workbench.record.schema import SERIES
from workbench.run.experiment import experiment_of

VARIANTS = {
    "two-layer": (),
    "squared": ("model.kind=squared-relu", "model.width=5", "loss.kind=exponential"),
    "deep": ("model.kind=deep-relu", "model.widths=[4,3]", "data.d=3", "loss.reduction=mean"),
    "classes": (
        "data.kind=digits",
        "data.n=60",
        "model.kind=deep-relu",
        "model.widths=[6]",
        "loss.kind=cross-entropy",
        "init.kind=he",
    ),
    "regression": ("data.kind=kh24-circle", "loss.kind=square", "model.kind=squared-relu"),
}


def rows_of(experiment, count=23) -> Rows:
    buffer = RowBuffer(count, experiment.state.theta, experiment.output_shape)
    experiment.program.run_chunk(experiment.state, 0, count, 7, buffer, StopFlag())
    return buffer.take()


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_a_row_does_not_depend_on_the_rows_beside_it(variant):
    experiment = experiment_of(small(*VARIANTS[variant]))
    rows = rows_of(experiment)
    whole = experiment.panel.compute(rows)
    parts = []
    for i, j in [(0, 1), (1, 2), (2, 9), (9, 10), (10, 23)]:
        parts.append(experiment.panel.compute(rows.part(i, j)))
    for name, array in whole.items():
        joined = np.concatenate([p[name] for p in parts])
        assert joined.tobytes() == array.tobytes(), name


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_series_is_in_the_schema_with_its_shape(variant):
    panel = experiment_of(small(*VARIANTS[variant])).panel
    for layout in layouts_of(panel):
        assert len(layout.shape) == len(layout.dims or SERIES[layout.name].dims)
    assert set(panel.shapes()) <= set(SERIES)
    coordinates_of(panel)


def test_values_against_plain_formulas():
    experiment = experiment_of(small())
    rows = rows_of(experiment, 4)
    values = experiment.panel.compute(rows)
    y, theta = experiment.dataset.y, rows.theta
    q = y * rows.outputs
    rho = np.sqrt((theta**2).sum(axis=1))
    risk = np.log1p(np.exp(-q)).sum(axis=1)
    gradient = rows.gradient * np.exp(rows.gradient_log_scale)[:, None]
    cosine = -(theta * gradient).sum(axis=1) / rho / np.linalg.norm(gradient, axis=1)
    u, v = experiment.structure.view(theta, "u"), experiment.structure.view(theta, "v")
    close = {"rtol": 1e-13, "atol": 0}
    np.testing.assert_allclose(values["log_risk"], np.log(risk), **close)
    np.testing.assert_allclose(values["rho"], rho, **close)
    np.testing.assert_allclose(values["q_min"], q.min(axis=1), **close)
    np.testing.assert_allclose(values["margin_normalized"], q.min(axis=1) / rho**2, **close)
    np.testing.assert_allclose(values["margins"], q / rho[:, None] ** 2, rtol=1e-12)
    np.testing.assert_allclose(
        values["margin_smoothed"], -np.log(np.expm1(risk)) / rho**2, rtol=1e-12
    )
    np.testing.assert_allclose(
        values["grad_norm_log"], np.log(np.linalg.norm(gradient, axis=1)), rtol=1e-12
    )
    np.testing.assert_allclose(values["alignment"], cosine, rtol=1e-12)
    np.testing.assert_allclose(values["accuracy"], (q > 0).mean(axis=1), **close)
    norms = np.stack([np.sqrt((u**2).sum(axis=(1, 2))), np.linalg.norm(v, axis=1)], axis=1)
    np.testing.assert_allclose(values["layer_norm"], norms, **close)
    np.testing.assert_allclose(
        values["margin_multi"], q.min(axis=1) / norms.prod(axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(values["neuron_norm"], np.sqrt((u**2).sum(axis=2) + v**2), **close)
    np.testing.assert_allclose(values["neuron_angle"], np.arctan2(u[..., 1], u[..., 0]), rtol=1e-13)
    assert values["path_length"].tobytes() == rows.path_length.tobytes()


def test_margins_apply_to_labels_and_homogeneous_networks_only():
    assert not {"margins", "accuracy"} & set(
        experiment_of(small(*VARIANTS["regression"])).panel.shapes()
    )
    panel = experiment_of(small()).panel
    from dataclasses import replace

    shapes = replace(panel, order=None, layer_orders=None).shapes()
    assert "q_min" in shapes
    assert not {"margin_normalized", "margins", "margin_smoothed", "margin_multi"} & set(shapes)


def test_what_is_wide_is_thinned_and_says_so():
    experiment = experiment_of(small("data.n=5000", "model.width=5000"))
    shapes = experiment.panel.shapes()
    assert shapes["margins"] == (4096,)
    assert shapes["margins_quantiles"] == (9,)
    assert shapes["neuron_norm"] == (4096,)
    assert shapes["neuron_direction"] == (256, 2)
    assert "theta" not in shapes
    notes = {a.name: a.attributes.get("subset") for a in layouts_of(experiment.panel)}
    assert notes["margins"]
    assert notes["neuron_direction"]
    values = experiment.panel.compute(rows_of(experiment, 1))
    assert values["margins_quantiles"][0, 0] == values["margin_normalized"][0]


def test_margins_over_their_median():
    q = np.array([[1.0, 3.0, -2.0, 8.0], [-1.0, -2.0, -3.0, -4.0], [0.0, 0.0, -1.0, 5.0]])
    found = margins_median_normalized(q)
    np.testing.assert_allclose(found[0], [1 / 3, 1.0, -2 / 3, 8 / 3])
    assert np.isnan(found[1:]).all(), "no median above 0 to divide by"
