"""From a state to what the pictures beside the charts show: compass, landscape, events, status line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.arrays import Float
from workbench.protocol.events import Checkpointed, Paused, RunEvent, SaddleFound
from workbench.record.history import History
from workbench.tui.run.moments import Moment
from workbench.tui.run.source import Source
from workbench.tui.run.x_axis import LN10, classifies
from workbench.tui.widgets.chart import VLine
from workbench.tui.widgets.compass import CompassModel
from workbench.tui.widgets.eventlog import EventLogModel
from workbench.tui.widgets.landscape import LandscapeModel
from workbench.tui.widgets.marks import DataDirection, KktPoint
from workbench.tui.widgets.statusline import Status

FEW_INPUTS = 40


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
    title = f"NCF of the {'scaled ' if moment.scaled else ''}residual  N(u)"
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
    x: Float[np.ndarray, "n ..."] | None, y: Float[np.ndarray, "n ..."] | None
) -> tuple[DataDirection, ...]:
    """Directions of the inputs, of up to 60: more would hide everything else."""
    if x is None or y is None or x.ndim != 2 or x.shape[1] != 2 or x.shape[0] > 60:
        return ()
    angle = np.arctan2(x[:, 1], x[:, 0])
    labels = [None] * len(y) if y.ndim > 1 else y.tolist()
    return tuple(DataDirection(float(a), label) for a, label in zip(angle, labels, strict=True))


def saddle_lines(
    events: Sequence[RunEvent], history: History, x: Float[np.ndarray, " T"]
) -> tuple[VLine, ...]:
    """A faint line where a saddle was found."""
    rows = [history.nearest(step) for step, kind, _ in events if kind == SaddleFound.kind]
    return tuple(VLine(float(x[min(max(0, row), len(x) - 1)]), "faint") for row in rows if len(x))


def paused_for(events: Sequence[RunEvent]) -> str:
    """The reason of the last event, if that is a pause; else nothing."""
    return events[-1].text if events and events[-1].kind == Paused.kind else ""


def told(events: Sequence[RunEvent], most: int = 40) -> EventLogModel:
    """The last events; a checkpoint only while nothing came after it: they would push out all else."""
    last = len(events) - 1
    shown = [e for i, e in enumerate(events) if e.kind != Checkpointed.kind or i == last]
    return EventLogModel(tuple(shown[-most:]))


def status_model(source: Source, moment: Moment, at_cursor: bool) -> Status:
    """The status line at the cursor, or now."""
    progress, values = source.progress(), moment.values
    log_risk = values.get("log_risk")
    of_classes = classifies(source.config, source.history)
    return Status(
        state=progress.state,
        name=source.name,
        step=moment.step if at_cursor else progress.step,
        log10_risk=None if log_risk is None else log_risk / LN10,
        margin=values.get("margin_normalized") if of_classes else None,
        norm=values.get("rho"),
        rate=progress.rate or None,
        eta=progress.eta,
        extra=progress.note,
    )
