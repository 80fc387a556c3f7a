"""Means over records, and what a chart is taken away as, against plain loops."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from workbench.figures import FIGURES
from workbench.tui.run.sight import Sight, running_mean
from workbench.tui.run.taking import (
    MOST_BYTES,
    arguments_of,
    command_text,
    figure_of,
    table_text,
    values_text,
)
from workbench.tui.run.x_axis import XAxis
from workbench.tui.widgets.bundle import Bundle
from workbench.tui.widgets.chart import ChartModel, Curve
from workbench.tui.widgets.scale import Kind


def plain_mean(y: np.ndarray, records: int) -> np.ndarray:
    half, found = records // 2, np.full(len(y), np.nan)
    for k in range(len(y)):
        near = [v for v in y[max(0, k - half) : k + half + 1] if np.isfinite(v)]
        if np.isfinite(y[k]):
            found[k] = sum(near) / len(near)
    return found


@pytest.mark.parametrize("records", [9, 33])
@pytest.mark.parametrize("count", [0, 1, 5, 200])
def test_a_mean_is_that_of_the_records_about(records: int, count: int) -> None:
    y = np.random.default_rng(count).normal(size=count)
    y[count // 3 :: 7] = np.nan
    if count > 50:
        y[40:44] = np.inf, -np.inf, np.nan, np.inf
    found = running_mean(y, records)
    np.testing.assert_allclose(found, plain_mean(y, records), rtol=1e-12, atol=1e-13)


def test_a_mean_leaves_the_values_in_sight() -> None:
    x, y = np.arange(50.0), np.random.default_rng(0).normal(size=50)
    model, sight = ChartModel("risk  log₁₀ L", (Curve(x, y, "cyan", "training"),)), Sight()
    assert sight.seen("risk", model).curves == model.curves
    sight.next_mean()
    seen = sight.seen("risk", model)
    raw, mean = seen.curves
    assert (raw.y is y, raw.color, mean.color, mean.label) == (True, "faint", "cyan", "training")
    assert "mean of 9" in seen.title
    sight.y["risk", model.title] = (-1.0, 1.0)
    assert sight.seen("risk", model).y_range == (-1.0, 1.0)
    assert sight.seen("risk", ChartModel("direction of θ")).y_range is None


def test_values_and_series_are_those_of_the_chart() -> None:
    x = np.array([1.0, 2.0, 4.0])
    curve = Curve(x, np.array([0.5, 0.25, np.nan]), "cyan", "training")
    bundle = Bundle(x, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), "purple")
    model = ChartModel("norms", (curve,), bundles=(bundle,))
    assert values_text(model, 2.1) == "training\t0.25\n1\t3.0\n2\t4.0"
    assert values_text(model, None) == "training\tnan\n1\t5.0\n2\t6.0"
    text, rows, every = table_text(model, "step")
    assert (rows, every) == (3, 3)
    assert text.splitlines()[:2] == ["step\ttraining\t1\t2", "1.0\t0.5\t1.0\t2.0"]


def test_a_series_is_as_long_as_a_clipboard() -> None:
    x = np.arange(20_000.0)
    text, rows, every = table_text(ChartModel("risk", (Curve(x, np.sin(x)),)), "step")
    assert len(text.encode()) <= MOST_BYTES
    assert (every, len(text.splitlines()) - 1) == (20_000, rows)
    assert text.splitlines()[1].startswith("0.0\t")
    assert text.splitlines()[-1].startswith("19999.0\t")


def test_the_command_has_the_view() -> None:
    axis = XAxis("ln(n/L)", Kind.LOG, (1.5, 40.0))
    found = arguments_of(Path("a run"), "risk", axis, (-3.0, 0.5), whole=False, output="o.png")
    assert shlex.split(command_text(found)) == [
        *("workbench", "plot", "a run", "--figure", "risk", "--x", "margin", "--log-x"),
        *("--x-range=1.5:40", "--y-range=-3:0.5", "-o", "o.png"),
    ]
    whole = arguments_of(Path("r"), "norms", axis, (-3.0, 0.5), whole=True, output="o.png")
    assert not [a for a in whole if "range" in a]


@pytest.mark.parametrize(
    ("title", "figure"),
    [
        ("risk  log₁₀ L", "risk"),
        ("norms  ‖w_k‖", "norms"),
        ("normalized margin  qᵢ/ρᴸ", "margins"),
        ("neuron angles", "directions"),
        ("step size  log₁₀ η", "learning-rate"),
    ],
)
def test_a_chart_has_its_figure(title: str, figure: str) -> None:
    assert figure_of(title) == figure
    assert figure in FIGURES


def test_some_charts_have_none() -> None:
    assert figure_of("direction of θ") is None
