"""The line charts of a run: risk, norms, directions, rates. From a history to models, pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from workbench.arrays import Bool, Float, Int
from workbench.measures.rates import Rates
from workbench.record.history import History
from workbench.tui.run.own_norm import OtherNorm
from workbench.tui.run.x_axis import LN10, XAxis
from workbench.tui.widgets.bundle import Bundle
from workbench.tui.widgets.chart import Band, ChartModel, Curve
from workbench.tui.widgets.density import DensityModel
from workbench.tui.widgets.scale import LEAST_DECADES, Kind
from workbench.tui.widgets.statusline import number_text

FEW_NEURONS = 64
COSINE_ROUNDING = 4 * float(np.finfo(np.float64).eps)
LEAST_DEGREES = float(np.degrees(np.sqrt(2 * COSINE_ROUNDING)))
"""1 − cos φ = φ²/2: smaller angles are lost in the rounding of their cosine."""
NOISE_ROWS = 9
"""Records over which a neuron's turns are judged."""
NORMS = (("neuron_norm", "norms  ‖w_k‖"), ("layer_norm", "norms  ‖W_k‖ of layers"))


def x_of_rows(
    steps: Int[np.ndarray, " K"], history: History, x: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " K"]:
    """x of the kept rows of a vector series."""
    index = np.clip(np.searchsorted(history.step, steps), 0, len(x) - 1)
    return x[index]


def scalar(history: History, name: str, count: int) -> Float[np.ndarray, " T"] | None:
    """The first `count` records of a scalar series; None where the run has none."""
    return history.scalar(name)[:count] if history.has(name) else None


def risk_chart(history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> ChartModel:
    """log10 of the risk, and behind it of the held-out samples' where there are any."""
    y = history.scalar("log_risk")[: len(x)] / LN10 if history.length else np.zeros(0)
    curves: tuple[Curve, ...] = (Curve(x[: len(y)], y, "cyan"),)
    test = scalar(history, "test_log_risk", len(x)) if history.length else None
    if test is not None:
        curves = (
            Curve(x[: len(test)], test / LN10, "yellow", "held out"),
            Curve(x[: len(y)], y, "cyan", "training"),
        )
    return chart(
        "risk  log₁₀ L",
        x_axis,
        x,
        curves,
        least=LEAST_DECADES,
        readout=at_cursor(y, x_axis, "{:.3f}".format) if test is None else "",
    )


def norm_chart(history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> ChartModel:
    """Every neuron's norm in powers of ten, or bands of many, or every layer's; ρ on top."""
    rho = history.scalar("rho")[: len(x)]
    name, title = next(
        ((name, title) for name, title in NORMS if history.has(name)), ("", "norm  ‖θ‖")
    )
    curves: list[Curve] = []
    bundles: tuple[Bundle, ...] = ()
    bands: tuple[Band, ...] = ()
    with np.errstate(divide="ignore"):
        if name:
            steps, norms = history.vector(name)
            at = x_of_rows(steps, history, x)
            logs = np.log10(norms)
            if logs.shape[1] <= FEW_NEURONS:
                bundles = (bundle(at, logs, "purple"),)
            else:
                q = np.quantile(logs, [0.1, 0.25, 0.5, 0.75, 0.9], axis=1)
                bands = (Band(at, q[0], q[4], "outer"), Band(at, q[1], q[3], "inner"))
                curves.append(Curve(at, q[2], "purple", "median"))
        curves.append(Curve(x[: len(rho)], np.log10(rho), "green", "‖θ‖"))
    made = chart(
        title,
        x_axis,
        x,
        tuple(curves),
        bands=bands,
        kind=Kind.POWER,
    )
    return replace(made, bundles=bundles)


def bundle(x: Float[np.ndarray, " K"], values: Float[np.ndarray, "K H"], color: str) -> Bundle:
    """Curves of one colour; ln(n/𝓛) may go back, so its rows are sorted."""
    if len(x) > 1 and not (x[1:] >= x[:-1]).all():
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    return Bundle(x, values, color)


def angle_chart(
    history: History,
    x_axis: XAxis,
    x: Float[np.ndarray, " T"],
    signs: Float[np.ndarray, " H"] | None,
) -> ChartModel:
    """The angle of every neuron, coloured by its sign; none while a neuron has no direction to speak of."""
    steps, angles = history.vector("neuron_angle")
    at = x_of_rows(steps, history, x)
    lost = without_direction(angles)
    angles = np.where(lost, np.nan, angles)
    if signs is None or len(signs) != angles.shape[1]:
        signs = np.ones(angles.shape[1])
    bundles = tuple(
        replace(bundle(at, angles[:, chosen], color), gaps=bool(lost.any()))
        for color, chosen in (("orange", signs > 0), ("cyan", signs <= 0))
        if chosen.any()
    )
    dead = int(lost[-1].sum()) if len(lost) else 0
    said = f"{dead} dead: no direction" if dead else ""
    made = chart("neuron angles", x_axis, x, (), kind=Kind.ANGLE, readout=said)
    return replace(made, bundles=bundles)


def without_direction(angles: Float[np.ndarray, "K H"]) -> Bool[np.ndarray, "K H"]:
    """Where a neuron's angle is noise: input weights that die down flip about 0 at every step, so that
    within `NOISE_ROWS` records a third of the turns or more exceed 45°."""
    if len(angles) <= NOISE_ROWS:
        return np.zeros(angles.shape, dtype=bool)
    turn = np.abs(np.mod(np.diff(angles, axis=0) + np.pi, 2 * np.pi) - np.pi)
    wild = np.pad(turn > np.pi / 4, ((1, 0), (0, 0)))
    half = NOISE_ROWS // 2
    total = np.cumsum(np.pad(wild.astype(int), ((half + 1, half), (0, 0)), mode="edge"), axis=0)
    return np.asarray(total[NOISE_ROWS:] - total[:-NOISE_ROWS] >= NOISE_ROWS / 3)


def angle_density(history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> DensityModel:
    """How many of very many neurons point where, over time."""
    steps, angles = history.vector("neuron_angle")
    return DensityModel(
        title="neuron angles  density over time",
        x=x_of_rows(steps, history, x),
        values=angles,
        x_kind=x_axis.kind,
        x_range=x_axis.x_range,
        x_name=x_axis.quantity,
        readout=f"H={angles.shape[1]:,}  log density",
        lines=x_axis.lines,
        cursor=cursor_x(x_axis, x),
        lane=x_axis.lane,
    )


def path_chart(
    history: History, x_axis: XAxis, x: Float[np.ndarray, " T"], norm: OtherNorm | None = None
) -> ChartModel:
    """Alignment cos(θ, −∇𝓛) and the path length of the direction (JT20 Thms 4.1 and 3.1); the dual alignment
    in another `norm` too."""
    alignment = history.scalar("alignment")[: len(x)]
    path = history.scalar("path_length")[: len(x)]
    angle = at_cursor(alignment, x_axis, angle_text)
    curves = [
        Curve(x[: len(path)], path, "orange", "path length"),
        Curve(x[: len(alignment)], alignment, "cyan", "cos(θ, −∇L)"),
    ]
    if norm is not None:
        dual = history.scalar(norm.dual_alignment)[: len(x)]
        curves.append(Curve(x[: len(dual)], dual, "yellow", f"the same in {norm.symbol}"))
    return chart(
        "direction of θ",
        x_axis,
        x,
        tuple(curves),
        zero=True,
        readout=", ".join(
            text for text in (at_cursor(path, x_axis, "{:.4g}".format), angle) if text
        ),
    )


def angle_degrees(alignment: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """The angle between θ and −∇𝓛 in degrees, at least what the rounding of its cosine makes of 0."""
    degrees = np.degrees(np.arccos(np.clip(alignment, -1.0, 1.0)))
    return np.asarray(np.where(degrees < LEAST_DEGREES, LEAST_DEGREES, degrees))


def angle_text(alignment: float) -> str:
    """The angle between θ and −∇𝓛 in words; an angle of 0 cannot be told from one of `LEAST_DEGREES`."""
    degrees = float(angle_degrees(np.array([alignment]))[0])
    if degrees <= LEAST_DEGREES:
        return f"<{LEAST_DEGREES:.0e}°"
    return f"{degrees:.4g}°" if np.isfinite(degrees) else "–"


def rates_chart(
    found: Rates, history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]
) -> ChartModel:
    """How fast 𝓛 falls and ρ^L grows with log T, over what LL20 Theorem 4.3 says: both tend to 1."""
    log_time = history.scalar("time_log")[: len(x)]
    at = x[np.clip(np.searchsorted(log_time, found.log_time), 0, len(x) - 1)]
    risk, norm = found.risk / found.risk_theory, found.norm / found.norm_theory
    return chart(
        "rates over those of LL20 Thm 4.3",
        x_axis,
        x,
        (
            Curve(at, np.ones(len(at)), "dim"),
            Curve(at, norm, "green", "ρᴸ"),
            Curve(at, risk, "cyan", "L"),
        ),
    )


def step_size_chart(history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> ChartModel:
    """log10 of the step size that the rule has chosen."""
    y = history.scalar("learning_rate_log")[: len(x)] / LN10
    # The first record has taken no step yet.
    known = np.isfinite(y)
    curve = Curve(x[: len(y)][known], y[known], "purple")
    return chart(
        "step size  log₁₀ η",
        x_axis,
        x,
        (curve,),
        least=LEAST_DECADES,
        readout=at_cursor(y, x_axis, "{:.3f}".format),
    )


def sharpness_chart(history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> ChartModel:
    """λ_max of the risk's Hessian where it was measured, and what the step size is stable below."""
    measured = history.scalar("sharpness")[: len(x)]
    # Not every record has it: the curve goes on from one that has to the next.
    known = np.isfinite(measured)
    drawn = [Curve(x[: len(measured)][known], measured[known], "orange", "λ_max")]
    threshold = scalar(history, "stability_threshold", len(x))
    if threshold is not None:
        drawn.insert(0, Curve(x[: len(threshold)], threshold, "dim", "2/η"))
    return chart(
        "sharpness  λ_max of the Hessian",
        x_axis,
        x,
        tuple(drawn),
        readout=at_cursor(carried(measured), x_axis, "{:.5g}".format),
    )


def carried(values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Every NaN replaced by the last number before it."""
    places = np.where(np.isfinite(values), np.arange(len(values)), 0)
    return np.asarray(values[np.maximum.accumulate(places)])


def chart(
    title: str,
    x_axis: XAxis,
    x: Float[np.ndarray, " T"],
    curves: tuple[Curve, ...],
    *,
    bands: tuple[Band, ...] = (),
    kind: Kind = Kind.LINEAR,
    zero: bool = False,
    least: float = 0.0,
    readout: str = "",
) -> ChartModel:
    """A chart on the shared x axis; without a readout, the legend has the values at the cursor."""
    at = cursor_x(x_axis, x)
    if at is not None and not readout:
        curves = tuple(_with_value(curve, at, kind) for curve in curves)
    return ChartModel(
        title=title,
        curves=curves,
        bands=bands,
        x_kind=x_axis.kind,
        y_kind=kind,
        x_range=x_axis.x_range,
        x_name=x_axis.quantity,
        zero=zero,
        least=least,
        readout=readout,
        cursor=at,
        lines=x_axis.lines,
        lane=x_axis.lane,
    )


def _with_value(curve: Curve, at: float, kind: Kind) -> Curve:
    """A labelled curve with its value nearest to an x in its label."""
    if not curve.label or not len(curve.x):
        return curve
    value = float(curve.y[int(np.argmin(np.abs(curve.x - at)))])
    told = number_text(10.0**value if kind is Kind.POWER else value, ".4g")
    return replace(curve, label=f"{curve.label} {told}")


def cursor_x(x_axis: XAxis, x: Float[np.ndarray, " T"]) -> float | None:
    """The x of the cursor; None while there is none."""
    if x_axis.cursor is None or not len(x):
        return None
    return float(x[min(x_axis.cursor, len(x) - 1)])


def at_cursor(y: Float[np.ndarray, " T"], x_axis: XAxis, told: Callable[[float], str]) -> str:
    """The value under the cursor in words; without one the status line has the latest."""
    if x_axis.cursor is None or not len(y):
        return ""
    return told(float(y[min(x_axis.cursor, len(y) - 1)]))
