"""What the run screen shows late in training: its axis, margins, numbers, pictures. Pure parts."""

from __future__ import annotations

import numpy as np
import pytest
from cases import small

from workbench.losses.registry import loss_of
from workbench.record.history import History
from workbench.tui.run.curves import path_chart, rates_chart, risk_chart
from workbench.tui.run.eta import seconds_to_risk
from workbench.tui.run.margin_curves import has_many_margins, margin_chart, margin_field
from workbench.tui.run.own_norm import OtherNorm
from workbench.tui.run.shared_x import SharedX
from workbench.tui.run.trends import even_rows, rates_of, spark_model
from workbench.tui.run.x_axis import LN10, XAxis, is_late, x_values, zoomed
from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.chart import draw_chart
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Kind

N = 8
FLOW = small("train.rule=flow", "loss.kind=logistic")


def history(decades: float = 100_000.0, rows: int = 300, samples: int = N, **more) -> History:
    """A run whose risk falls to 10^−decades as LL20 Theorem 4.3 says for L = 2: 𝓛 T log T = 1."""
    step = np.arange(rows)
    log_time = np.geomspace(1.5, decades * LN10, rows)
    log_risk = -log_time - np.log(log_time)
    log_risk[0] = np.log(N * np.log(2.0))
    rho = np.sqrt(np.maximum(-log_risk, 0.1) / 0.1)
    last = np.linspace(0.1, 0.8, samples)
    margins = last * (1 - 0.9 * np.exp(-step / 30))[:, None]
    with np.errstate(over="ignore"):
        time = np.exp(log_time)
    found = History()
    found.append(
        {
            "step": step,
            "time": np.where(step == 0, 0.0, time),
            "time_log": np.where(step == 0, -np.inf, log_time),
            "log_risk": log_risk,
            "grad_norm_log": log_risk + 1.0,
            "rho": rho,
            "q_min": margins.min(axis=1) * rho**2,
            "alignment": 1 - np.exp(-step / 20.0),
            "path_length": 2 - np.exp(-step / 30.0),
            "accuracy": np.ones(rows),
            "margin_normalized": margins.min(axis=1),
            "margin_smoothed": margins.min(axis=1) - 1e-3,
            "learning_rate_log": np.where(step == 0, np.nan, -log_risk),
            "margins": margins,
            **more,
        }
    )
    return found


def drawn(model, width=110, height=14) -> str:
    grid: Grid = draw_chart(model, width, height, Palette())[0]
    return "\n".join("".join(map(chr, row)) for row in grid.frame().characters)


def test_late_is_a_late_rule_with_separated_data():
    assert is_late(FLOW, history())
    assert not is_late(small("loss.kind=logistic"), history())
    # Positive margins near the origin, where the risk has far to go.
    assert not is_late(FLOW, history(margin_smoothed=np.full(300, -1.0)))
    assert not is_late(FLOW, History())


def test_the_axis_over_the_risk_is_that_of_the_summed_risk():
    found = history()
    x, kind = x_values(found, "ln(n/L)", None, N, "sum")
    assert kind is Kind.LOG
    assert x == pytest.approx(np.log(N) - found.scalar("log_risk"))
    mean, _ = x_values(found, "ln(n/L)", None, N, "mean")
    assert mean == pytest.approx(-found.scalar("log_risk"))
    assert x_values(history(3.0), "ln(n/L)", None, N, "sum")[1] is Kind.LINEAR
    assert x_values(found, "ln(n/L)", False, N, "sum")[1] is Kind.LINEAR


def test_times_beyond_a_float_are_on_a_log_axis():
    x, kind = x_values(history(), "time", None, N, "sum")
    assert kind is Kind.POWER
    assert x[0] == -np.inf
    assert np.isfinite(x[1:]).all()
    assert x[-1] == pytest.approx(100_000.0)
    assert x_values(history(100.0), "time", None, N, "sum")[1] is Kind.LOG


def test_the_shown_range_is_halved_around_the_cursor():
    x = np.linspace(0.0, 80.0, 81)
    assert zoomed(XAxis(kind=Kind.LINEAR), x, 0).x_range == (0.0, 80.0)
    assert zoomed(XAxis(kind=Kind.LINEAR, cursor=40), x, 1).x_range == (20.0, 60.0)
    assert zoomed(XAxis(kind=Kind.LINEAR), x, 2).x_range == (60.0, 80.0)
    # Step 0 stays in sight beside a log axis as long as its low end does.
    assert [zoomed(XAxis(kind=Kind.LOG), x, scale).lane for scale in (0, 1)] == ["0", ""]
    assert zoomed(XAxis(kind=Kind.LOG, cursor=0), x, 3).lane == "0"


def test_keys_change_the_shared_axis_over_what_suits_the_run():
    found, shared = history(), SharedX()
    shared.update(found, FLOW, N)
    assert (shared.axis.quantity, shared.late) == ("ln(n/L)", True)
    # Late once is late for good, whatever a later record says.
    shared.update(history(margin_smoothed=np.full(300, -1.0)), FLOW, N)
    assert shared.axis.quantity == "ln(n/L)"
    for quantity in ("step", "time", "ln(n/L)", "step"):
        shared.next_quantity()
        shared.update(found, FLOW, N)
        assert shared.axis.quantity == quantity
    assert shared.axis.kind is Kind.LOG
    shared.toggle_log()
    shared.update(found, FLOW, N)
    assert shared.axis.kind is Kind.LINEAR
    assert shared.shown(()).x_range == (0.0, 299.0)
    shared.zoom(1)
    shared.put_cursor(0)
    assert shared.shown(()).x_range == (0.0, 149.5)
    shared.zoom(0)
    assert shared.shown(()).x_range == (0.0, 299.0)
    plot = draw_chart(risk_chart(found, shared.shown(()), shared.values), 110, 14, Palette())[1]
    assert shared.nearest(150.2, plot) == 150
    columns = plot.columns_of(shared.values)
    row = shared.beside(10, plot)
    assert columns[row - 1] - columns[0] < 10 <= columns[row] - columns[0]
    shared.put_cursor(None)
    assert shared.beside(-1, None) == 0
    assert SharedX().beside(1, None) is None


def test_a_risk_of_ten_to_minus_a_hundred_thousand_can_be_read():
    found = history()
    x_axis = XAxis("step", Kind.LOG, cursor=299)
    text = drawn(risk_chart(found, x_axis, found.step.astype(float)))
    assert "log₁₀ L" in text
    assert "-100000┤" in text
    assert "-100005" in text
    model = spark_model(found, FLOW, N, 0, x_axis, found.step.astype(float), late=True)
    rows = {row.label: row.value for row in model.rows}
    assert rows["log₁₀ L"] == "-100005"
    assert rows["log₁₀ T"] == "100000"
    assert rows["angle to −∇L"].endswith("°")


def test_margins_are_coloured_by_the_last_one():
    found = history()
    x, kind = x_values(found, "ln(n/L)", None, N, "sum")
    model = margin_chart(found, XAxis("ln(n/L)", kind), x)
    lasts = [float(bundle.values[-1].mean()) for bundle in model.bundles]
    assert lasts == sorted(lasts)
    assert len({bundle.color for bundle in model.bundles}) == N
    assert [curve.label for curve in model.curves] == ["γ~", "min"]


def test_many_margins_are_a_field_with_the_kept_quantiles():
    quantiles = np.tile(np.arange(9.0), (300, 1))
    found = history(samples=200, margins_quantiles=quantiles)
    assert has_many_margins(found)
    assert not has_many_margins(history())
    model = margin_field(found, XAxis(), found.step.astype(float), True)
    assert np.argsort(model.place).tolist() == list(range(200))
    assert model.quantiles[1][0].tolist() == [2.0, 4.0, 6.0]
    assert margin_field(found, XAxis(), found.step.astype(float), False).place is None


def test_margins_of_networks_without_an_order():
    steps = np.arange(300)
    plain = History()
    over = np.linspace(-0.5, 3.0, N) * np.ones((300, 1))
    plain.append(
        {"step": steps, "q_min": np.ones(300), "log_risk": -np.ones(300),
         "margins_median_normalized": over}
    )  # fmt: skip
    model = margin_chart(plain, XAxis(), steps.astype(float))
    assert "median" in model.title
    assert model.curves[-1].y.tolist() == [-0.5] * 300
    bare = History()
    bare.append({"step": steps, "q_min": np.ones(300)})
    assert "not homogeneous" in margin_chart(bare, XAxis(), steps.astype(float)).title


def test_rates_over_theory_tend_to_one():
    found = history()
    rates = rates_of(found, FLOW, N, 2.0)
    assert len(rates)
    x, kind = x_values(found, "ln(n/L)", None, N, "sum")
    chart = rates_chart(rates, found, XAxis("ln(n/L)", kind), x)
    risk = next(curve.y for curve in chart.curves if curve.label == "L")
    assert abs(risk[-1] - 1) < 1e-3
    assert rates_of(History(), FLOW, N, 2.0) is None


def test_the_fewest_lines_are_the_most_telling():
    found = history()
    x_axis, x = XAxis(), found.step.astype(float)
    rates = rates_of(found, FLOW, N, 2.0)
    late = spark_model(found, FLOW, N, 0, x_axis, x, late=True, found=rates, most=4)
    assert [r.label for r in late.rows] == ["log₁₀ L", "margin γ", "smoothed γ~", "angle to −∇L"]
    early = spark_model(found, FLOW, N, 0, x_axis, x, most=3)
    assert [r.label for r in early.rows] == ["log₁₀ L", "margin γ", "‖θ‖"]


def test_bars_are_even_along_the_axis():
    x = np.r_[0.0, np.geomspace(1.0, 1e6, 1000)]
    rows = even_rows(x, XAxis(kind=Kind.LOG))
    assert rows[-1] == 1000
    assert np.ptp(np.diff(rows)) <= 2
    back = np.array([0.0, 2.0, 1.0, 3.0, np.nan])
    assert even_rows(back, XAxis(kind=Kind.LINEAR)).max() <= 4


def test_the_time_to_a_risk_follows_the_growth_of_its_logarithm():
    step = np.arange(200)
    grown = History()
    grown.append({"step": step, "log_risk": -2.0 * 1.02**step})
    goal = -2.0 * 1.02**500 / LN10
    assert seconds_to_risk(grown, goal, 10.0) == pytest.approx(301 / 10.0)
    assert seconds_to_risk(grown, -0.1, 10.0) == 0.0
    assert seconds_to_risk(grown, goal, 0.0) is None
    still = History()
    still.append({"step": step, "log_risk": np.full(200, -5.0)})
    assert seconds_to_risk(still, goal, 10.0) is None


@pytest.mark.parametrize("loss", ["logistic", "exponential"])
def test_a_residual_beyond_a_float_is_scaled(loss):
    rng = np.random.default_rng(0)
    y, outputs = np.array([1.0, -1.0, 1.0, -1.0]), rng.normal(size=4)
    z = loss_of(loss).residual(outputs, y)
    assert loss_of(loss).scaled_residual(outputs, y) == pytest.approx(z / np.abs(z).max())
    far = loss_of(loss).scaled_residual(1e5 * y + outputs, y)
    assert np.abs(far).max() == 1.0
    assert (far * y > 0).all()


def test_the_direction_is_told_at_the_cursor():
    found = history()
    chart = path_chart(found, XAxis(cursor=20), found.step.astype(float))
    assert chart.readout == "1.487, 50.79°"


def test_errors_and_the_margin_of_descent_are_told_late():
    late = {
        "kkt_epsilon": "KKT error ε",
        "kkt_delta": "KKT error δ",
        "margin_discrete": "descent γ^",
    }
    falls = np.where(np.arange(300) < 3, np.nan, np.geomspace(10.0, 0.0123, 300))
    found = history(**dict.fromkeys(late, falls))
    look, x = XAxis(), found.step.astype(float)
    rows = {row.label: row.value for row in spark_model(found, FLOW, N, 0, look, x, late=True).rows}
    assert {rows[late["kkt_epsilon"]], rows[late["kkt_delta"]]} == {"0.0123"}
    assert rows[late["margin_discrete"]] == "+0.01230"
    early = {row.label for row in spark_model(found, FLOW, N, 0, look, x).rows}
    assert not early & set(late.values())
    before = {row.label for row in spark_model(history(), FLOW, N, 0, look, x, late=True).rows}
    assert not before & set(late.values())


def test_the_norm_of_the_rule_stands_beside_euclids():
    """γ̄, γ~ and a of sign descent; what else was asked for is left out first."""
    rise = np.linspace(0.1, 0.7, 300)
    values = {
        f"{series}_{name}": by * rise
        for name, by in (("linf", 1.0), ("l1", 0.01))
        for series in ("margin_normalized", "margin_smoothed", "dual_alignment")
    }
    found, config = history(**values), small("train.rule=sign")
    look, x = XAxis(), found.step.astype(float)
    rows = spark_model(found, config, N, 0, look, x, late=True).rows
    labels = [row.label for row in rows]
    for label, name in (("γ in ℓ∞", "margin γ"), ("γ~ in ℓ∞", "smoothed γ~")):
        assert labels.index(label) == labels.index(name) + 1
        assert rows[labels.index(label)].value == "+0.70000"
    assert rows[labels.index("1 − a, ℓ∞")].value == "0.3"
    few = [row.label for row in spark_model(found, config, N, 0, look, x, late=True, most=7).rows]
    assert {"γ in ℓ∞", "γ~ in ℓ∞", "1 − a, ℓ∞"} <= set(few)
    assert "γ in ℓ1" in labels
    assert not [label for label in few if "ℓ1" in label]
    assert "γ in ℓ∞" not in [r.label for r in spark_model(history(), config, N, 0, look, x).rows]
    sign, l1 = (OtherNorm.of(small(f"train.rule={r}"), found) for r in ("sign", "coordinate"))
    curve = margin_chart(found, XAxis(cursor=299), x, l1).curves[-1]
    least = found.scalar("margin_normalized")[-1]
    factor = float(curve.label.removeprefix("min in ℓ1 ×"))
    assert curve.y == pytest.approx(factor * values["margin_normalized_l1"])
    assert 0.3 < curve.y[-1] / least < 3.2
    assert margin_chart(found, XAxis(cursor=299), x, sign).readout.endswith(", ℓ∞ +0.7000")
    dual = path_chart(found, look, x, sign).curves[-1]
    assert (dual.label, dual.y.tolist()) == ("the same in ℓ∞", rise.tolist())
    assert OtherNorm.of(small(), found) is None
