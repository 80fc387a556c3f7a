"""From a history to chart models: what each chart of the run screen shows. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from workbench.arrays import Float, Int
from workbench.config import RunConfig
from workbench.record.history import History
from workbench.record.schema import SERIES
from workbench.tui.source import Moment
from workbench.tui.widgets.bundle import Bundle
from workbench.tui.widgets.chart import Band, ChartModel, Curve, VLine
from workbench.tui.widgets.compass import CompassModel
from workbench.tui.widgets.density import DensityModel
from workbench.tui.widgets.eventlog import EventLogModel, LogEvent
from workbench.tui.widgets.landscape import LandscapeModel
from workbench.tui.widgets.marks import DataDirection, KktPoint
from workbench.tui.widgets.palette import SERIES as COLORS
from workbench.tui.widgets.scale import Kind
from workbench.tui.widgets.sparkrows import SparkModel, SparkRow

XAxis = Literal["step", "time", "ln(n/L)"]
X_AXES: tuple[XAxis, ...] = ("step", "time", "ln(n/L)")
LN10 = float(np.log(10.0))
FEW_SAMPLES = 24
LEAST_DECADES = 1.0
FEW_INPUTS = 40
FEW_NEURONS = 64
CHECKPOINTS = ("checkpoint", "checkpointed")
NAMES = {"saddlefound": "saddle", "checkpointed": "checkpoint"}


@dataclass(frozen=True)
class Look:
    """How the shared x axis is drawn: its quantity, log or linear, zoomed range, cursor (a record),
    and lines where saddles were."""

    x_axis: XAxis = "step"
    log_x: bool = True
    x_range: tuple[float, float] | None = None
    cursor: int | None = None
    lines: tuple[VLine, ...] = ()


def x_values(history: History, look: Look, n: int, reduction: str) -> Float[np.ndarray, " T"]:
    """The x of every record: step, flow time, or ln(n/𝓛) with the summed risk (JT20 Fig. 2)."""
    if look.x_axis == "step" or not history.has("log_risk"):
        return history.step.astype(np.float64)
    if look.x_axis == "time":
        return history.scalar("time")
    log_risk = history.scalar("log_risk")
    return -log_risk if reduction == "mean" else np.log(max(1, n)) - log_risk


def x_kind(look: Look) -> Kind:
    """ln(n/𝓛) is a logarithm already."""
    return Kind.LOG if look.log_x and look.x_axis != "ln(n/L)" else Kind.LINEAR


def _at(
    steps: Int[np.ndarray, " K"], history: History, x: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " K"]:
    """x of the kept rows of a vector series."""
    index = np.clip(np.searchsorted(history.step, steps), 0, len(x) - 1)
    return x[index]


def _scalar(history: History, name: str, count: int) -> Float[np.ndarray, " T"] | None:
    return history.scalar(name)[:count] if history.has(name) else None


def risk_chart(history: History, look: Look, x: Float[np.ndarray, " T"]) -> ChartModel:
    """log10 of the risk."""
    y = history.scalar("log_risk")[: len(x)] / LN10 if history.length else np.zeros(0)
    chart = _chart(
        "risk  log₁₀ L",
        look,
        x,
        (Curve(x[: len(y)], y, "cyan"),),
        kind=Kind.POWER,
        readout=_readout(y, look, "{:.3f}"),
    )
    return replace(chart, y_range=_least_range([y]))


def _least_range(series: list[Float[np.ndarray, " T"]]) -> tuple[float, float] | None:
    """A range of a decade where the values cover less, None where they cover more.

    What stands still must look still, not like the rounding of its seventh digit.
    """
    finite = np.concatenate([y[np.isfinite(y)].ravel() for y in series])
    if not finite.size or np.ptp(finite) >= LEAST_DECADES:
        return None
    low, high = float(finite.min()), float(finite.max())
    pad = (LEAST_DECADES - (high - low)) / 2.0
    return low - pad, high + pad


def margin_chart(history: History, look: Look, x: Float[np.ndarray, " T"]) -> ChartModel:
    """Normalized margins: of every sample where they are few, else quantile bands; min and γ~ on top."""
    steps, margins = history.vector("margins")
    at = _at(steps, history, x)
    curves: list[Curve] = []
    bands: tuple[Band, ...] = ()
    low = margins.min(axis=1) if margins.size else np.zeros(0)
    if margins.shape[1] <= FEW_SAMPLES:
        order = np.argsort(margins[-1], kind="stable")
        hues = [c for c in COLORS if c != "cyan"]
        curves += [
            Curve(at, margins[:, i], hues[k % len(hues)]) for k, i in enumerate(order) if k > 0
        ]
    else:
        q = np.quantile(margins, [0.1, 0.25, 0.5, 0.75, 0.9], axis=1)
        bands = (Band(at, q[0], q[4], "outer"), Band(at, q[1], q[3], "inner"))
        curves.append(Curve(at, q[2], "bright", "median"))
    smoothed = _scalar(history, "margin_smoothed", len(x))
    if smoothed is not None:
        # γ~ has no meaning before the data is separated, where it falls without bound.
        separated = smoothed > 0
        curves.append(Curve(x[: len(smoothed)][separated], smoothed[separated], "cyan", "γ~"))
    minimum = _scalar(history, "margin_normalized", len(x))
    if minimum is not None:
        curves.append(Curve(x[: len(minimum)], minimum, "min", "min"))
    return _chart(
        "normalized margin  qᵢ/ρᴸ",
        look,
        x,
        tuple(curves),
        bands=bands,
        zero=True,
        readout=_readout(minimum if minimum is not None else low, look, "{:+.4f}"),
    )


def raw_margin_chart(history: History, look: Look, x: Float[np.ndarray, " T"]) -> ChartModel:
    """The smallest margin as it is, for a network that is not homogeneous."""
    y = history.scalar("q_min")[: len(x)]
    return _chart(
        "smallest margin q (not homogeneous: not normalized)",
        look,
        x,
        (Curve(x[: len(y)], y, "min"),),
        zero=True,
        readout=_readout(y, look, "{:+.4g}"),
    )


def norm_chart(history: History, look: Look, x: Float[np.ndarray, " T"]) -> ChartModel:
    """log10 of every neuron's norm, or bands of many; ρ on top."""
    rho = history.scalar("rho")[: len(x)]
    curves: list[Curve] = []
    bundles: tuple[Bundle, ...] = ()
    bands: tuple[Band, ...] = ()
    with np.errstate(divide="ignore"):
        if history.has("neuron_norm"):
            steps, norms = history.vector("neuron_norm")
            at = _at(steps, history, x)
            logs = np.log10(norms)
            if logs.shape[1] <= FEW_NEURONS:
                bundles = (_bundle(at, logs, "purple"),)
            else:
                q = np.quantile(logs, [0.1, 0.25, 0.5, 0.75, 0.9], axis=1)
                bands = (Band(at, q[0], q[4], "outer"), Band(at, q[1], q[3], "inner"))
                curves.append(Curve(at, q[2], "purple", "median"))
        curves.append(Curve(x[: len(rho)], np.log10(rho), "green", "‖θ‖"))
    chart = _chart(
        "norms  log₁₀ ‖w_k‖",
        look,
        x,
        tuple(curves),
        bands=bands,
        kind=Kind.POWER,
        readout=_readout(rho, look, "{:.3g}"),
    )
    drawn = [curve.y for curve in curves] + [bundle.values for bundle in bundles]
    return replace(chart, bundles=bundles, y_range=_least_range(drawn))


def _bundle(x: Float[np.ndarray, " K"], values: Float[np.ndarray, "K H"], color: str) -> Bundle:
    """Curves of one colour; ln(n/𝓛) may go back, so its rows are sorted."""
    if len(x) > 1 and not (x[1:] >= x[:-1]).all():
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    return Bundle(x, values, color)


def angle_chart(
    history: History, look: Look, x: Float[np.ndarray, " T"], signs: Float[np.ndarray, " H"] | None
) -> ChartModel:
    """The angle of every neuron, coloured by its sign."""
    steps, angles = history.vector("neuron_angle")
    at = _at(steps, history, x)
    if signs is None or len(signs) != angles.shape[1]:
        signs = np.ones(angles.shape[1])
    bundles = tuple(
        _bundle(at, angles[:, chosen], color)
        for color, chosen in (("orange", signs > 0), ("cyan", signs <= 0))
        if chosen.any()
    )
    return replace(_chart("neuron angles", look, x, (), kind=Kind.ANGLE), bundles=bundles)


def angle_density(history: History, look: Look, x: Float[np.ndarray, " T"]) -> DensityModel:
    """How many of very many neurons point where, over time."""
    steps, angles = history.vector("neuron_angle")
    return DensityModel(
        title="neuron angles  density over time",
        x=_at(steps, history, x),
        values=angles,
        x_kind=x_kind(look),
        x_range=look.x_range,
        x_name=look.x_axis,
        readout=f"H={angles.shape[1]:,}  log density",
        lines=look.lines,
        cursor=_cursor(look, x),
    )


def path_chart(history: History, look: Look, x: Float[np.ndarray, " T"]) -> ChartModel:
    """Alignment cos(θ, −∇𝓛) and the path length of the direction."""
    alignment = history.scalar("alignment")[: len(x)]
    path = history.scalar("path_length")[: len(x)]
    return _chart(
        "direction of θ",
        look,
        x,
        (
            Curve(x[: len(path)], path, "orange", "path length"),
            Curve(x[: len(alignment)], alignment, "cyan", "cos(θ, −∇L)"),
        ),
        zero=True,
    )


def _chart(
    title: str,
    look: Look,
    x: Float[np.ndarray, " T"],
    curves: tuple[Curve, ...],
    *,
    bands: tuple[Band, ...] = (),
    kind: Kind = Kind.LINEAR,
    zero: bool = False,
    readout: str = "",
) -> ChartModel:
    return ChartModel(
        title=title,
        curves=curves,
        bands=bands,
        x_kind=x_kind(look),
        y_kind=kind,
        x_range=look.x_range,
        x_name=look.x_axis,
        zero=zero,
        readout=readout,
        cursor=_cursor(look, x),
        lines=look.lines,
    )


def _cursor(look: Look, x: Float[np.ndarray, " T"]) -> float | None:
    if look.cursor is None or not len(x):
        return None
    return float(x[min(look.cursor, len(x) - 1)])


def _readout(y: Float[np.ndarray, " T"], look: Look, pattern: str) -> str:
    """The value under the cursor; without one the status line has the latest."""
    if look.cursor is None or not len(y):
        return ""
    return pattern.format(y[min(look.cursor, len(y) - 1)])


def compass_model(
    moment: Moment, x: Float[np.ndarray, "n ..."] | None, y: Float[np.ndarray, " n"] | None
) -> CompassModel:
    """Neurons, inputs and KKT directions of a state."""
    if moment.angles is None or moment.norms is None:
        return CompassModel(title="directions", empty=moment.reason or "no directions yet")
    count = min(len(moment.angles), len(moment.norms))
    angles, norms = moment.angles[:count], moment.norms[:count]
    signs = moment.signs[:count] if moment.signs is not None else None
    spread = norms[norms > 0]
    many_scales = bool(spread.size) and float(spread.max() / spread.min()) > 50.0
    points, arcs = _points(moment)
    # A ring of marks would hide the circle; the landscape has room for them as ticks.
    data = data_directions(x, y) if x is not None and len(x) <= FEW_INPUTS else ()
    return CompassModel(
        title=" · ".join(
            ["directions", *(["inputs"] if data else []), *(["KKT"] if points or arcs else [])]
        ),
        directions=np.stack([np.cos(angles), np.sin(angles)], axis=1),
        norms=norms,
        signs=signs,
        data=data,
        kkt=points,
        arcs=arcs,
        scale="log" if many_scales else "relative",
    )


def landscape_model(
    moment: Moment, x: Float[np.ndarray, "n ..."] | None, y: Float[np.ndarray, " n"] | None
) -> LandscapeModel:
    """N over the angle, with its KKT points, the inputs and the neurons."""
    circle = moment.circle
    title = "NCF of the residual  N(u)"
    if circle is None:
        return LandscapeModel(title=title, empty=moment.reason or "no landscape yet")
    points, _ = _points(moment)
    upper = tuple(p for p, c in zip(points, circle.points, strict=True) if c.sign > 0)
    return LandscapeModel(
        title=title,
        angle=circle.angle,
        value=circle.value,
        kkt=upper,
        data=data_directions(x, y),
        neurons=moment.angles,
    )


def _points(moment: Moment) -> tuple[tuple[KktPoint, ...], tuple[tuple[float, float], ...]]:
    if moment.circle is None:
        return (), ()
    points = tuple(KktPoint(p.angle, p.kind, p.value) for p in moment.circle.points)
    return points, moment.circle.arcs


def data_directions(
    x: Float[np.ndarray, "n ..."] | None, y: Float[np.ndarray, " n"] | None
) -> tuple[DataDirection, ...]:
    """Directions of the inputs, of up to 60: more would hide everything else."""
    if x is None or y is None or x.ndim != 2 or x.shape[1] != 2 or x.shape[0] > 60:
        return ()
    angle = np.arctan2(x[:, 1], x[:, 0])
    return tuple(DataDirection(float(a), float(label)) for a, label in zip(angle, y, strict=True))


SPARKS: tuple[tuple[str, str, str, str], ...] = (
    ("log_risk", "risk", "cyan", "{:.3f}"),
    ("margin_normalized", "margin", "min", "{:+.4f}"),
    ("rho", "‖θ‖", "green", "{:.4g}"),
    ("grad_norm_log", "‖∇L‖", "blue", "{:.2f}"),
    ("alignment", "cos", "orange", "{:+.4f}"),
    ("path_length", "path", "yellow", "{:.4g}"),
    ("accuracy", "acc", "purple", "{:.2%}"),
    ("margin_multi", "γ̄_m", "pink", "{:+.3g}"),
)


def spark_model(
    history: History, config: RunConfig | None, n: int, h: int, cursor: int | None
) -> SparkModel:
    """A line a scalar, with its value at the cursor or now."""
    rows = []
    for name, label, color, pattern in SPARKS:
        if not history.length or not history.has(name) or SERIES[name].dims:
            continue
        y = history.scalar(name)
        if name in ("log_risk", "grad_norm_log"):
            y = y / LN10
        upto = len(y) if cursor is None else min(cursor + 1, len(y))
        rows.append(SparkRow(label, y[:upto], pattern.format(y[upto - 1]), color))
    return SparkModel(rows=tuple(rows), title=headline(config, n, h))


def headline(config: RunConfig | None, n: int, h: int) -> str:
    """What is trained, in a few words."""
    if config is None:
        return ""
    parts = [f"n {n:,}" + (f" H {h:,}" if h else ""), config.model.kind, config.loss.kind]
    scale = getattr(config.init, "scale", None)
    if scale is not None:
        parts.append(f"init {scale:g}")
    return "  ".join(p for p in parts if p)


def saddle_lines(
    events: Sequence[tuple[int, str, str]], history: History, x: Float[np.ndarray, " T"]
) -> tuple[VLine, ...]:
    """A faint line where a saddle was found."""
    rows = [history.nearest(step) for step, kind, _ in events if kind.startswith("saddle")]
    return tuple(VLine(float(x[min(max(0, row), len(x) - 1)]), "faint") for row in rows if len(x))


def told(events: Sequence[tuple[int, str, str]], most: int = 40) -> EventLogModel:
    """The last events; of the checkpoints only the newest, as they would push out all else."""
    newest = max((i for i, event in enumerate(events) if event[1] in CHECKPOINTS), default=-1)
    kept = [e for i, e in enumerate(events) if e[1] not in CHECKPOINTS or i == newest]
    return EventLogModel(
        tuple(LogEvent(step, NAMES.get(kind, kind), text) for step, kind, text in kept[-most:])
    )
