"""The x axis that all charts of a run share: its quantity, its scale, and what suits the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from workbench.arrays import Float
from workbench.config.run import RunConfig
from workbench.losses.registry import LOSSES
from workbench.record.history import History
from workbench.tui.widgets.chart import VLine
from workbench.tui.widgets.frame import lane_of
from workbench.tui.widgets.scale import Kind, below

Quantity = Literal["step", "time", "ln(n/L)"]
QUANTITIES: tuple[Quantity, ...] = ("step", "time", "ln(n/L)")
LN10 = float(np.log(10.0))
LATE_RULES = frozenset(
    {
        "normalized",
        "loss-based",
        "flow",
        "sign",
        "coordinate",
        "spectral",
        "signum",
        "muon",
        "adam",
    }
)
"""Rules whose steps grow as the risk falls: neither a step nor the time tells how far a run is."""
WIDE_LOG = 100.0
"""From here on ln(n/𝓛) is drawn logarithmically: else the way to separation would be one column."""


@dataclass(frozen=True)
class XAxis:
    """How the shared x axis is drawn: its quantity, its kind, zoomed range, cursor (a record), lines where
    saddles were, and what the lane for x ≤ 0 is called. `kind` POWER: the values are log10 already."""

    quantity: Quantity = "step"
    kind: Kind = Kind.LOG
    x_range: tuple[float, float] | None = None
    cursor: int | None = None
    lines: tuple[VLine, ...] = ()
    lane: str | None = None


def classifies(config: RunConfig | None, history: History) -> bool:
    """Whether samples are right or wrong here: with the square loss labels are values to be met."""
    loss = None if config is None else LOSSES.get(config.loss.kind)
    return history.has("q_min") and not (loss is not None and loss.regression)


def is_late(config: RunConfig | None, history: History) -> bool:
    """Whether a run with a late-phase rule is past t_0, where the risk alone says that the data is separated
    (LL20 §4.1): γ~ > 0. Near the origin margins may all be positive and the risk have far to go. Without
    an order there is no γ~, and every margin must be positive."""
    if config is None or not history.length:
        return False
    if config.train.rule not in LATE_RULES or not config.train.normalized:
        return False
    name = "margin_smoothed" if history.has("margin_smoothed") else "q_min"
    return history.has(name) and bool(history.last(name) > 0)


def x_values(
    history: History, quantity: Quantity, log: bool | None, n: int, reduction: str
) -> tuple[Float[np.ndarray, " T"], Kind]:
    """The x of every record, and the kind of its axis.

    Step; flow time (log10 of it where it is beyond a float); or ln(n/𝓛) with the summed risk (JT20
    Fig. 2). `log` None: as suits the values.
    """
    count = history.length
    if quantity == "time" and history.has("time"):
        time = history.scalar("time")[:count]
        if (count and np.isfinite(time[-1])) or not history.has("time_log"):
            return time, Kind.LINEAR if log is False else Kind.LOG
        return history.scalar("time_log")[:count] / LN10, Kind.POWER
    if quantity == "ln(n/L)" and history.has("log_risk"):
        log_risk = history.scalar("log_risk")[:count]
        x = -log_risk if reduction == "mean" else np.log(max(1, n)) - log_risk
        if log is None:
            log = bool(count) and float(x[-1]) >= WIDE_LOG
        return x, Kind.LOG if log else Kind.LINEAR
    return history.step[:count].astype(np.float64), Kind.LINEAR if log is False else Kind.LOG


def zoomed(
    x_axis: XAxis,
    x: Float[np.ndarray, " T"],
    scale: int,
    window: tuple[float, float] | None = None,
) -> XAxis:
    """The axis with the part of it that is shown: all, the window, or 2^−scale around the cursor or the end.

    Range and lane are the same for all charts, whose series may be thinned differently.
    """
    log = x_axis.kind is Kind.LOG
    there = ~(below(x_axis.kind, x) | ~np.isfinite(x))
    shown = x[there]
    lane = lane_of(x_axis.kind, [x])
    if not len(shown) or shown.min() == shown.max():
        return replace(x_axis, x_range=None, lane=lane)
    ends = np.array([shown.min(), shown.max()])
    if window is not None:
        return replace(x_axis, x_range=window, lane=lane if window[0] <= ends[0] else "")
    if scale == 0:
        return replace(x_axis, x_range=(float(ends[0]), float(ends[1])), lane=lane)
    t0, t1 = np.log10(ends) if log else ends
    width = (t1 - t0) / 2.0**scale
    at = t1 if x_axis.cursor is None else float(x[min(x_axis.cursor, len(x) - 1)])
    if x_axis.cursor is not None:
        at = float(np.log10(max(at, ends[0]))) if log else max(at, t0)
    low = float(np.clip(at - width / 2.0, t0, t1 - width))
    found = (10.0**low, 10.0 ** (low + width)) if log else (low, low + width)
    # The lane belongs to the left end.
    return replace(x_axis, x_range=found, lane=lane if low <= t0 else "")
