"""The margins of all samples over the run: lines where they are few, a field where they are many. Pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.arrays import Float
from workbench.record.history import History
from workbench.tui.run.curves import at_cursor, bundle, chart, cursor_x, scalar, x_of_rows
from workbench.tui.run.own_norm import OtherNorm, scaled_to
from workbench.tui.run.x_axis import XAxis
from workbench.tui.widgets.chart import ChartModel, Curve
from workbench.tui.widgets.margin_field import FieldLine, MarginFieldModel
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Kind, y_range

FEW_SAMPLES = 40
COLORS = 12
"""Lines are drawn in this many colours, from the least final margin to the largest."""
MARGINS: tuple[tuple[str, str, str], ...] = (
    ("margins", "margin_normalized", "normalized margin  qᵢ/ρᴸ"),
    ("margins_median_normalized", "", "margin over the median of those ≥ 0 (no order L)"),
    ("margins_median_normalized", "", "margin  qᵢ/median q ≥ 0 (not homogeneous)"),
)
"""Series of all samples' margins, the scalar series of the least one where there is one, and the title;
the first that a run has counts."""
KEPT_QUANTILES = [2, 4, 6]
"""Where 10, 50 and 90 % are among the quantiles that a run with very many samples records."""


def margin_series(history: History) -> tuple[str, str, str] | None:
    """The series of all samples' margins that this run has, with its least one and its title."""
    return next((found for found in MARGINS if history.has(found[0])), None)


def has_many_margins(history: History) -> bool:
    """Whether there are too many samples to draw each."""
    found = margin_series(history)
    if found is None or not history.length:
        return False
    return history.vector(found[0])[1].shape[1] > FEW_SAMPLES


def margin_chart(
    history: History, x_axis: XAxis, x: Float[np.ndarray, " T"], norm: OtherNorm | None = None
) -> ChartModel:
    """Every sample's margin, coloured by the last one; the least and γ~ on top, the least in another `norm`
    too. For few samples."""
    found = margin_series(history)
    if found is None:
        return _least_chart(history, x_axis, x)
    if found[0] != "margins" and history.has("margin_normalized"):
        return _unit_chart(history, x_axis, x)
    steps, margins = history.vector(found[0])
    at = x_of_rows(steps, history, x)
    order = np.argsort(margins[-1], kind="stable")
    colors = Palette().ranks(COLORS)
    groups = np.array_split(order, min(COLORS, len(order)))
    picks = np.linspace(0, COLORS - 1, len(groups)).round().astype(int)
    over, readout = _over(history, x_axis, x, found[0], found[1], norm)
    made = chart(
        found[2],
        x_axis,
        x,
        tuple(Curve(*line) for line in over),
        zero=True,
        readout=readout,
    )
    bundles = tuple(
        bundle(at, margins[:, group], colors[pick])
        for group, pick in zip(groups, picks, strict=True)
    )
    return replace(made, bundles=bundles, y_range=_separated_range(x_axis, margins))


def _separated_range(
    x_axis: XAxis, margins: Float[np.ndarray, "K n"]
) -> tuple[float, float] | None:
    """Over ln(n/𝓛): the range from separation on. Margins before may be far larger and mean little."""
    wrong = np.flatnonzero(~(margins.min(axis=1) > 0))
    first = int(wrong[-1]) + 1 if len(wrong) else 0
    if x_axis.quantity != "ln(n/L)" or first >= len(margins):
        return None
    return y_range(Kind.LINEAR, (0.0, float(margins[first:].max())))


def margin_field(
    history: History, x_axis: XAxis, x: Float[np.ndarray, " T"], final: bool
) -> MarginFieldModel:
    """Where the margins of many samples are; `final`: coloured by the last one of every sample."""
    found = margin_series(history)
    if found is None:
        return MarginFieldModel(empty="this run records no margins")
    name, least, title = found
    steps, margins = history.vector(name)
    place = None
    if final:
        place = np.empty(margins.shape[1])
        order = np.argsort(margins[-1], kind="stable")
        place[order] = np.linspace(0.0, 1.0, len(order))
    quantiles = None
    if name == "margins" and history.has("margins_quantiles"):
        kept, values = history.vector("margins_quantiles")
        quantiles = x_of_rows(kept, history, x), values[:, KEPT_QUANTILES]
    over, readout = _over(history, x_axis, x, name, least)
    return MarginFieldModel(
        title=title + (", colour: rank of the last" if final else ""),
        x=x_of_rows(steps, history, x),
        values=margins,
        place=place,
        quantiles=quantiles,
        over=tuple(FieldLine(*line) for line in over),
        x_kind=x_axis.kind,
        x_range=x_axis.x_range,
        x_name=x_axis.quantity,
        readout=readout,
        lines=x_axis.lines,
        cursor=cursor_x(x_axis, x),
        lane=x_axis.lane,
    )


def _over(
    history: History,
    x_axis: XAxis,
    x: Float[np.ndarray, " T"],
    name: str,
    least: str,
    norm: OtherNorm | None = None,
) -> tuple[list[tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"], str, str]], str]:
    """γ~ and the least margin as (x, y, colour, label), and the least one under the cursor; the least in
    another `norm`, whose scale is another, by a power of ten."""
    lines = []
    smoothed = scalar(history, "margin_smoothed", len(x))
    if smoothed is not None:
        # γ~ has no meaning before the data is separated, where it falls without bound.
        separated = smoothed > 0
        lines.append((x[: len(smoothed)][separated], smoothed[separated], "cyan", "γ~"))
    if least:
        minimum = history.scalar(least)[: len(x)]
        lines.append((x[: len(minimum)], minimum, "min", "min"))
        readout = at_cursor(minimum, x_axis, "{:+.4f}".format)
        if norm is not None and history.has(norm.normalized):
            there = history.scalar(norm.normalized)[: len(x)]
            shown, factor = scaled_to(there, minimum)
            by = "" if factor == 1.0 else f" ×{factor:g}"
            lines.append((x[: len(there)], shown, "yellow", f"min in {norm.symbol}{by}"))
            under = at_cursor(there, x_axis, "{:+.4f}".format)
            readout += f", {norm.symbol} {under}" if under else ""
        return lines, readout
    steps, margins = history.vector(name)
    lines.append((x_of_rows(steps, history, x), margins.min(axis=1), "min", "min"))
    return lines, ""


def _unit_chart(history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> ChartModel:
    """The smallest margin at parameters of norm 1, for a network without an order (VSS22 §6)."""
    y = history.scalar("margin_normalized")[: len(x)]
    return chart(
        "normalized margin  min yᵢΦ(θ/ρ; xᵢ), no order L",
        x_axis,
        x,
        (Curve(x[: len(y)], y, "min", "min"),),
        readout=at_cursor(y, x_axis, "{:+.4f}".format),
    )


def _least_chart(history: History, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> ChartModel:
    """The smallest margin as it is, for a network that is not homogeneous."""
    y = history.scalar("q_min")[: len(x)]
    return chart(
        "smallest margin q (not homogeneous: not normalized)",
        x_axis,
        x,
        (Curve(x[: len(y)], y, "min"),),
        zero=True,
        readout=at_cursor(y, x_axis, "{:+.4g}".format),
    )
