"""What the charts of a run say: title, ticks and values agree; all begin together; nothing is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import small

from workbench.record.history import History
from workbench.tui.browse.compare import Overlaid, View, overlay
from workbench.tui.browse.curves import RunCurves
from workbench.tui.run import curves
from workbench.tui.run.curves import without_direction
from workbench.tui.run.margin_curves import margin_chart
from workbench.tui.run.shared_x import moved_by_columns
from workbench.tui.run.trends import spark_model
from workbench.tui.run.x_axis import LN10, XAxis, x_values, zoomed
from workbench.tui.widgets.bundle import Bundle
from workbench.tui.widgets.chart import ChartModel, Curve, draw_chart
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Kind
from workbench.tui.widgets.sparkrows import heights

CONFIG = small("loss.kind=logistic")


def history(rows: int = 5_000, every: int = 10, **more) -> History:
    """A run that falls from a plateau, of 6 neurons and 8 samples."""
    step = np.arange(rows) * every
    log_risk = np.log(0.5) - np.maximum(step - step[-1] / 2, 0.0) / step[-1] * 40
    angle = np.sin(step[:, None] / step[-1] * 3 + np.arange(6))
    found = History()
    given = {
        "step": step,
        "log_risk": log_risk,
        "learning_rate_log": np.full(rows, np.log(0.02)),
        "rho": np.exp(step / step[-1]) * 1e-4,
        "alignment": 1 - np.exp(-step / 1e3),
        "path_length": 203.38142857 + 1e-9 * np.sin(step),
        "neuron_angle": angle,
        "neuron_norm": np.exp(angle) * 1e-5,
        "margins": angle[:, [0, 1, 2, 3, 4, 5, 0, 1]],
        "margin_normalized": angle.min(axis=1),
        **more,
    }
    for start in range(0, rows, 700):
        found.append({name: values[start : start + 700] for name, values in given.items()})
    return found


def text_of(model: ChartModel, width: int = 100, height: int = 16) -> list[str]:
    frame = draw_chart(model, width, height, Palette())[0].frame()
    return ["".join(map(chr, row)) for row in frame.characters]


def models(found: History, x_axis: XAxis, x: np.ndarray) -> dict[str, ChartModel]:
    made = (curves.risk_chart, curves.norm_chart, curves.path_chart, curves.step_size_chart)
    return {f.__name__: f(found, x_axis, x) for f in made} | {
        "angles": curves.angle_chart(found, x_axis, x, None),
        "margins": margin_chart(found, x_axis, x),
        "overlay": overlay(
            "log_risk",
            (Overlaid("a", "cyan", RunCurves(x, {"log_risk": found.scalar("log_risk")})),),
            View(),
        ),
    }


def look_at(found: History, log: bool | None = None, **more) -> tuple[XAxis, np.ndarray]:
    x, kind = x_values(found, "step", log, 8, "sum")
    x_axis = XAxis("step", kind, **more)
    return zoomed(x_axis, x, 0), x


@pytest.mark.parametrize("cursor", [2_600, 4_999])
def test_logarithms_are_titled_as_such_and_nothing_else_is(cursor):
    """The number under the cursor, the row it is drawn in and the labels beside that row are one."""
    found = history()
    x_axis, x = look_at(found, cursor=cursor)
    for name, model in models(found, x_axis, x).items():
        plot = draw_chart(model, 100, 16, Palette())[1]
        labels = [t.label for t in plot.y_ticks.ticks]
        powers = [label.startswith("10") and "⁻" in label for label in labels]
        assert all(powers) == any(powers) == (model.y_kind is Kind.POWER), name
        assert not ("log" in model.title and any(powers)), name
    risk = curves.risk_chart(found, x_axis, x)
    assert float(risk.readout) == pytest.approx(found.scalar("log_risk")[cursor] / LN10, abs=5e-4)
    assert risk.curves[0].y[cursor] == pytest.approx(float(risk.readout), abs=5e-4)
    norm = curves.norm_chart(found, x_axis, x)
    assert "log" not in norm.title
    told = norm.curves[-1].label.removeprefix("‖θ‖ ")
    assert 10 ** norm.curves[-1].y[cursor] == pytest.approx(float(told), rel=1e-3)
    assert spark_model(found, CONFIG, 8, 6, x_axis, x).rows[0].label == "log₁₀ L"


@pytest.mark.parametrize("log", [True, False])
def test_all_charts_of_a_long_run_begin_and_end_at_the_same_columns(log):
    found = history(rows=20_000)
    x_axis, x = look_at(found, log)
    ends = set()
    shared = models(found, x_axis, x)
    del shared["overlay"]
    for model in shared.values():
        grid, plot = draw_chart(replace(model, zero=False, lines=()), 100, 16, Palette())
        characters = grid.frame().characters[plot.top : plot.top + plot.rows, plot.left :]
        drawn = np.flatnonzero(((characters > 0x2800) & (characters < 0x2900)).any(axis=0))
        ends.add((plot.lane, int(drawn[0]), int(drawn[-1]), bool(plot.origin - plot.left in drawn)))
    assert ends == {("0" if log else "", 0, 92, True)}


def test_neurons_and_samples_without_a_number_are_counted():
    norms = np.full((50, 3), 1e-3)
    norms[10:14, 1] = 0.0
    norms[20, 2] = np.nan
    found = history(50, neuron_norm=norms)
    x_axis, x = look_at(found)
    text = text_of(curves.norm_chart(found, x_axis, x))
    assert "NaN×1 ≤0×4" in text[0]
    assert "▼" in text[-2]
    assert "×" in text[-2]
    lost = history(50, log_risk=np.where(np.arange(50) > 40, -np.inf, -1.0))
    assert "−∞×9" in text_of(curves.risk_chart(lost, *look_at(lost)))[0]


def test_a_series_that_is_still_empty_is_no_trouble():
    empty = Curve(np.empty(0), np.empty(0), "cyan", "γ~")
    found = ChartModel("t", (empty, Curve(np.arange(3.0), np.arange(3.0))))
    assert "0" in "".join(text_of(found))


def test_a_plateau_is_flat_with_two_labels():
    found = history()
    x_axis, x = look_at(found)
    model = replace(curves.path_chart(found, x_axis, x), zero=False)
    model = replace(model, curves=model.curves[:1])
    grid, plot = draw_chart(model, 100, 16, Palette())
    assert len(plot.y_ticks.ticks) >= 2
    characters = grid.frame().characters[plot.top : plot.top + plot.rows, plot.left :]
    rows = ((characters > 0x2800) & (characters < 0x2900)).any(axis=1)
    assert rows.sum() == 1
    step_size = curves.step_size_chart(found, x_axis, x)
    assert len(draw_chart(step_size, 100, 16, Palette())[1].y_ticks.ticks) >= 2


def test_bars_of_what_stands_still_are_level():
    rng = np.random.default_rng(0)
    for value in (203.38, -1e-30, 1e300, 0.5):
        wiggle = value * (1 + 1e-9 * rng.normal(size=300))
        assert len(set(heights(wiggle, 20, 7))) == 1
    risk = 1e-4 * rng.normal(size=300)
    assert len(set(heights(risk, 20, 7))) > 1
    assert len(set(heights(risk, 20, 7, 0.01))) == 1
    assert heights(np.array([0.0, 1, 2, 3]), 4, 4, 0.01).tolist() == [0, 1, 2, 3]


def test_angles_below_the_rounding_of_their_cosine_are_level():
    eps = np.finfo(float).eps
    cosines = 1 - eps * np.array([0, 1, 2, 0, 1, 3])
    assert len(set(curves.angle_degrees(cosines))) == 1
    assert curves.angle_text(1.0) == "<2e-06°"
    assert curves.angle_text(0.0) == "90°"
    assert curves.angle_text(float("nan")) == "–"
    assert float(curves.angle_text(1 - 1e-8)[:-1]) == pytest.approx(0.008103, rel=1e-3)


def test_the_cursor_reaches_every_column_and_leaves_none_twice():
    found = history(3_000)
    x_axis, x = look_at(found)
    plot = draw_chart(curves.risk_chart(found, x_axis, x), 100, 16, Palette())[1]
    columns = plot.columns_of(x)
    row, seen = 0, [0]
    while row < len(x) - 1:
        row = moved_by_columns(columns, row, 1)
        seen.append(row)
    # Beside the log axis: step 0, then the first records one by one.
    assert seen[:3] == [0, 1, 2]
    assert columns[0] == plot.left
    passed = [columns[r] for r in seen]
    assert (np.diff(passed[:-1]) >= 1).all()
    assert set(columns) == set(passed)
    back = [seen[-1]]
    while back[-1] > 0:
        back.append(moved_by_columns(columns, back[-1], -1))
    assert {columns[r] for r in back} == set(columns)
    assert moved_by_columns(columns, 0, -1) == 0
    assert moved_by_columns(columns, len(x) - 1, 10) == len(x) - 1
    jumped = moved_by_columns(columns, 100, 10)
    assert columns[jumped - 1] - columns[100] < 10 <= columns[jumped] - columns[100]


def test_the_y_axis_is_that_of_what_is_in_view():
    x, y = np.array([0.0, 10, 100, 1000]), np.array([7.0, 0, 1, 5])
    for many in (False, True):
        drawn = {"bundles": (Bundle(x, y[:, None]),)} if many else {"curves": (Curve(x, y),)}
        model = ChartModel("t", x_kind=Kind.LOG, x_range=(20.0, 50.0), **drawn)
        ends = draw_chart(model, 80, 20, Palette())[1].y.ends
        assert ends == pytest.approx((np.log10(2.0), np.log10(5.0)), abs=0.05)
        wide = replace(model, x_range=(10.0, 1000.0), lane="0")
        assert draw_chart(wide, 80, 20, Palette())[1].y.high >= 7.0


def test_bands_are_drawn_in_the_lane_too():
    found = history(300, neuron_norm=np.tile(np.geomspace(1e-6, 1e-3, 80), (300, 1)))
    grid, plot = draw_chart(curves.norm_chart(found, *look_at(found)), 100, 16, Palette())
    backs = grid.frame().keys[plot.top : plot.top + plot.rows] >> 25 & 0x1FFFFFF
    assert plot.lane == "0"
    assert (backs[:, plot.left] == backs[:, plot.origin]).all()
    assert backs[:, plot.left].any()


def test_time_zero_stands_beside_an_axis_of_logarithms():
    found = history(400, time=np.full(400, np.inf), time_log=np.r_[-np.inf, np.arange(399.0) * 9])
    x, kind = x_values(found, "time", None, 8, "sum")
    x_axis = zoomed(XAxis("time", kind), x, 0)
    assert (kind, x_axis.lane, x_axis.x_range[0]) == (Kind.POWER, "0", 0.0)
    for model in models(found, x_axis, x).values():
        if model.x_name == "time":
            plot = draw_chart(model, 100, 16, Palette())[1]
            assert plot.column(x[0]) == plot.left < plot.column(x[1]) == plot.origin


def test_step_zero_out_of_view_is_left_for_the_next_record():
    found = history(300)
    x_axis, x = look_at(found, cursor=299)
    near = zoomed(x_axis, x, 4)
    plot = draw_chart(curves.risk_chart(found, near, x), 100, 16, Palette())[1]
    assert plot.lane == ""
    assert moved_by_columns(plot.columns_of(x), 0, 1) == 1


def test_a_neuron_whose_weights_die_down_has_no_direction() -> None:
    """One that turns slowly keeps its angle; one that flips at every record loses it from there on."""
    records = np.arange(200)
    turning = np.linspace(-3.0, 3.0, 200)
    flipping = np.where(records < 100, 0.3, np.where(records % 2 == 0, 0.3, 0.3 - np.pi))
    lost = without_direction(np.column_stack([turning, flipping]))
    assert not lost[:, 0].any()
    assert not lost[:95, 1].any()
    assert lost[105:, 1].all()


def test_a_turn_over_pi_is_no_flip() -> None:
    angle = np.mod(np.linspace(2.0, 20.0, 300) + np.pi, 2 * np.pi) - np.pi
    assert not without_direction(angle[:, None]).any()


def test_held_out_samples_stand_beside_the_trainings():
    rows = 5_000
    rising = np.linspace(0.5, 0.9, rows)
    more = {
        "q_min": rising,
        "accuracy": rising,
        "test_accuracy": rising / 2,
        "test_margin_normalized": -rising,
    }
    found = history(rows, test_log_risk=np.log(0.7) - rising, **more)
    x_axis, x = look_at(found, cursor=0)
    risk = curves.risk_chart(found, x_axis, x)
    first = {"held out": (np.log(0.7) - 0.5) / LN10, "training": np.log(0.5) / LN10}
    assert [c.y[0] for c in risk.curves] == pytest.approx(list(first.values()))
    assert [c.label for c in risk.curves] == [f"{name} {y:.4g}" for name, y in first.items()]
    told = {row.label: row.value for row in spark_model(found, CONFIG, 8, 6, x_axis, x).rows}
    assert (told["accuracy"], told["test accuracy"]) == ("50.00%", "25.00%")
    assert (told["log₁₀ test L"], told["test γ"]) == ("-0.37", "-0.50000")
    few = spark_model(found, CONFIG, 8, 6, x_axis, x, most=2).rows
    assert [row.label for row in few] == ["log₁₀ L", "log₁₀ test L"]
    plain = curves.risk_chart(history(), x_axis, x).curves
    assert [c.label for c in plain] == [""]


def test_sharpness_is_drawn_from_measured_record_to_measured_record():
    measured = np.full(50, np.nan)
    measured[::20] = 1.0, 2.0, 4.0
    found = history(50, sharpness=measured, stability_threshold=np.full(50, 3.0))
    x = found.step.astype(float)
    made = curves.sharpness_chart(found, XAxis(cursor=25), x)
    threshold, sharpness = made.curves
    assert sharpness.x.tolist() == [0.0, 200.0, 400.0]
    assert sharpness.y.tolist() == [1.0, 2.0, 4.0]
    assert (threshold.y == 3.0).all()
    assert made.readout == "2"
