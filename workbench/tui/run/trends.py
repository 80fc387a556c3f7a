"""The lines of numbers beside the charts: each a trend and its value at the cursor or now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Float, Int
from workbench.config.run import RunConfig
from workbench.errors import clean_text
from workbench.losses.registry import LOSSES
from workbench.measures.rates import Rates, rates
from workbench.record.history import History
from workbench.record.schema import SERIES
from workbench.tui.run.curves import angle_degrees, angle_text, carried
from workbench.tui.run.machine import NAMES, Machine
from workbench.tui.run.own_norm import OtherNorm
from workbench.tui.run.x_axis import LN10, XAxis, classifies
from workbench.tui.widgets.numbers import short
from workbench.tui.widgets.scale import Kind, axis
from workbench.tui.widgets.sparkrows import LEAST_DECADES, SparkModel, SparkRow
from workbench.tui.widgets.statusline import log_risk_text, number_text

Floats = Float[np.ndarray, " T"]
BARS = 48
"""Places along the axis that a line's bars are made of."""


def _same(values: Floats) -> Floats:
    return values


def _decades(values: Floats) -> Floats:
    return values / LN10


def _log_degrees(values: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(angle_degrees(values)))


def _positive(values: Floats) -> Floats:
    """γ~ has no meaning before the data is separated."""
    return np.where(values > 0, values, np.nan)


@dataclass(frozen=True)
class Trend:
    """A scalar series as a line: `drawn` is what its bars show, `told` its value in words; bars over less
    than `least` are not drawn over the whole height.

    Of more lines than fit, those with the largest `rank` are left out, None: always; `late` is the rank in
    the late phase, where other numbers matter.
    """

    name: str
    label: str
    color: str
    told: Callable[[float], str]
    drawn: Callable[[Floats], Floats] = _same
    rank: float | None = 0
    late: float = 0
    least: float = 0.0


def _number(pattern: str) -> Callable[[float], str]:
    return lambda value: number_text(value, pattern)


def _log10(value: float) -> str:
    return log_risk_text(value / LN10)


def _log10_of(values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(values))


_SHORT = _number(".3g")

TRENDS: tuple[Trend, ...] = (
    Trend("log_risk", "log₁₀ L", "cyan", _log10, _decades, 0, 0, LEAST_DECADES),
    Trend("test_log_risk", "log₁₀ test L", "yellow", _log10, _decades, 1, 3, LEAST_DECADES),
    Trend("margin_normalized", "margin γ", "min", _number("+.5f"), rank=2, late=1),
    Trend("test_margin_normalized", "test γ", "yellow", _number("+.5f"), rank=13, late=17),
    Trend("margin_smoothed", "smoothed γ~", "teal", _number("+.5f"), _positive, rank=11, late=2),
    Trend("margin_multi", "by layer γ_m", "pink", _number("+.3g"), rank=9, late=13),
    Trend("rho", "‖θ‖", "green", _number(".4g"), rank=3, late=9),
    Trend("grad_norm_log", "log₁₀ ‖∇L‖", "blue", _log10, _decades, 4, 14, LEAST_DECADES),
    Trend("alignment", "angle to −∇L", "orange", angle_text, _log_degrees, 5, 4, LEAST_DECADES),
    Trend("kkt_epsilon", "KKT error ε", "purple", _SHORT, _log10_of, None, 5, LEAST_DECADES),
    Trend("kkt_delta", "KKT error δ", "pink", _SHORT, _log10_of, None, 6, LEAST_DECADES),
    Trend("path_length", "path", "yellow", _number(".5g"), rank=6, late=7),
    Trend("learning_rate_log", "log₁₀ η", "purple", _log10, _decades, 10, 11, LEAST_DECADES),
    Trend("sharpness", "sharpness", "orange", _SHORT, rank=6, late=8),
    Trend("time_log", "log₁₀ T", "blue", _log10, _decades, 12, 10, LEAST_DECADES),
    Trend("margin_discrete", "descent γ^", "teal", _number("+.5f"), _positive, None, 12),
    Trend("accuracy", "accuracy", "purple", "{:.2%}".format, rank=8, late=16),
    Trend("test_accuracy", "test accuracy", "yellow", "{:.2%}".format, rank=7, late=15),
)


OF_CLASSES = frozenset(
    {
        "margin_normalized",
        "margin_smoothed",
        "margin_multi",
        "accuracy",
        "test_accuracy",
        "test_margin_normalized",
    }
)
"""Series that mean something where labels are classes."""


def spark_model(
    history: History,
    config: RunConfig | None,
    n: int,
    h: int,
    x_axis: XAxis,
    x: Float[np.ndarray, " T"],
    *,
    late: bool = False,
    found: Rates | None = None,
    most: int = 99,
    chosen: tuple[str, ...] | None = None,
    machine: Machine | None = None,
) -> SparkModel:
    """At most `most` lines: scalars, and in the late phase the rates against LL20 Theorem 4.3's; or those of
    the series `chosen`, all of them."""
    rows_of_bars = even_rows(x, x_axis)
    cursor = x_axis.cursor
    if chosen is not None:
        lines = (
            _row(history, trend, cursor, rows_of_bars, machine)
            for trend in trends_of(chosen, history, config)
        )
        return SparkModel(tuple(line for line in lines if line), headline(config, n, h))
    told = (
        TRENDS if classifies(config, history) else [t for t in TRENDS if t.name not in OF_CLASSES]
    )
    rows = [
        (rank, row)
        for t in (*_with_norms(told, history, config), *_own(history, config))
        if (rank := t.late if late else t.rank) is not None
        and (row := _row(history, t, cursor, rows_of_bars))
    ]
    if late and found is not None and len(found) and cursor is None:
        risk = f"{found.risk[-1]:.4f} | {found.risk_theory[-1]:.4f}"
        rows.append((8, SparkRow("Δln L/Δln T", found.risk, risk, "cyan")))
    kept = {rank for rank, _ in sorted(rows, key=lambda row: row[0])[:most]}
    return SparkModel(
        rows=tuple(row for rank, row in rows if rank in kept), title=headline(config, n, h)
    )


def rates_of(
    history: History, config: RunConfig | None, n: int, order: float | None
) -> Rates | None:
    """Measured slopes of a run against LL20 Theorem 4.3's; None where no logarithm of time is recorded."""
    if config is None or not history.has("time_log"):
        return None
    extra = float(np.log(max(1, n))) if config.loss.reduction == "mean" else 0.0
    summed = history.scalar("log_risk") + extra
    loss = LOSSES.get(config.loss.kind)
    if loss is None:
        return None
    return rates(history.scalar("time_log"), summed, history.scalar("rho"), order, loss)


def even_rows(x: Float[np.ndarray, " T"], x_axis: XAxis) -> Int[np.ndarray, " k"]:
    """Records evenly spaced along the shared axis up to the cursor, the last one kept."""
    count = len(x) if x_axis.cursor is None else min(x_axis.cursor + 1, len(x))
    shown = np.maximum.accumulate(np.where(np.isfinite(x[:count]), x[:count], -np.inf))
    first = int(np.searchsorted(shown, 0.0 if x_axis.kind is Kind.LOG else -np.inf, side="right"))
    if count - first < 2 or not shown[first] < shown[-1]:
        return np.arange(count)
    places = axis(x_axis.kind, float(shown[first]), float(shown[-1])).edges(BARS)
    return np.minimum(np.searchsorted(shown, places, side="left"), count - 1)


def choices(history: History, config: RunConfig | None, machine: Machine) -> list[tuple[str, str]]:
    """Every scalar series that this run records, by its name, and what its line is called; the usual ones
    first, what was read of the machine last."""
    usual = {t.name: t.label for t in _with_norms(TRENDS, history, config)}
    there = [name for name in usual if history.has(name) and not _dims(name)]
    there += [name for name in history.scalars() if name not in usual]
    usual |= NAMES
    there += machine.names
    return [(name, f"{name}  ({usual[name]})" if name in usual else name) for name in there]


def trends_of(names: Sequence[str], history: History, config: RunConfig | None) -> list[Trend]:
    """The lines of these series; those that are rarely looked at, plainly."""
    usual = {t.name: t for t in _with_norms(TRENDS, history, config)}
    usual |= {name: Trend(name, label, "blue", short) for name, label in NAMES.items()}
    return [usual.get(n) or Trend(n, clean_text(n, 24), "orange", _SHORT) for n in names]


def _dims(name: str) -> bool:
    return name in SERIES and bool(SERIES[name].dims)


def _with_norms(told: Sequence[Trend], history: History, config: RunConfig | None) -> list[Trend]:
    """Behind γ̄, γ~ and the alignment the same in the norms besides ℓ2; those that are not the rule's own are
    the first to be left out."""
    found = []
    norms = list(enumerate(OtherNorm.all_of(config, history)))
    for trend in told:
        found.append(trend)
        for place, norm in norms:
            more = 0.5 if norm.own else 20.0 + 10.0 * place
            rank = None if trend.rank is None else trend.rank + more
            there = replace(trend, rank=rank, late=trend.late + more)
            match trend.name:
                case "margin_normalized":
                    label = f"γ in {norm.symbol}"
                    found.append(replace(there, name=norm.normalized, label=label))
                case "margin_smoothed":
                    label = f"γ~ in {norm.symbol}"
                    found.append(replace(there, name=norm.smoothed, label=label))
                case "alignment":
                    label, name = f"1 − a, {norm.symbol}", norm.dual_alignment
                    found.append(
                        replace(there, name=name, label=label, told=_one_less, drawn=_left)
                    )
    return found


def _one_less(value: float) -> str:
    return _SHORT(1.0 - value)


def _left(values: Floats) -> Floats:
    return _log10_of(1.0 - values)


def _own(history: History, config: RunConfig | None) -> list[Trend]:
    """The scalar measures of the user's own, by their names."""
    if config is None or not config.measures.classes:
        return []
    names = [name for name in history.scalars() if name not in SERIES]
    return [Trend(name, clean_text(name, 14), "orange", _SHORT, rank=6, late=6) for name in names]


def _row(
    history: History,
    trend: Trend,
    cursor: int | None,
    rows: Int[np.ndarray, " k"],
    machine: Machine | None = None,
) -> SparkRow | None:
    if trend.name in NAMES:
        return None if machine is None else _machine_row(history, trend, cursor, rows, machine)
    if not history.length or not history.has(trend.name):
        return None
    if _dims(trend.name):
        return None
    values = history.scalar(trend.name)
    if trend.name == "sharpness":
        # Not every record has it.
        values = carried(values)
    now = float(values[-1 if cursor is None else min(cursor, len(values) - 1)])
    return SparkRow(
        trend.label, trend.drawn(values[rows]), trend.told(now), trend.color, trend.least
    )


def _machine_row(
    history: History,
    trend: Trend,
    cursor: int | None,
    rows: Int[np.ndarray, " k"],
    machine: Machine,
) -> SparkRow | None:
    """What was read of the machine at the records."""
    if not history.length or trend.name not in machine.names:
        return None
    values = machine.at(trend.name, history.step[rows])
    now = machine.values(trend.name)[-1]
    if cursor is not None:
        now = machine.at(trend.name, history.step[[min(cursor, history.length - 1)]])[0]
    return SparkRow(trend.label, values, trend.told(float(now)), trend.color)


def headline(config: RunConfig | None, n: int, h: int) -> str:
    """What is trained, in a few words."""
    if config is None:
        return ""
    parts = [f"n {n:,}" + (f" H {h:,}" if h else ""), config.model.kind, config.loss.kind]
    scale = getattr(config.init, "scale", None)
    if config.train.rule != "constant":
        parts.append(config.train.rule)
    elif scale is not None:
        parts.append(f"init {scale:g}")
    return "  ".join(p for p in parts if p)
