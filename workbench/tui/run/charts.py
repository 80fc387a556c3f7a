"""Which charts and pictures there are of a run, and how each is made. Pure functions of its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from workbench.arrays import Float
from workbench.measures.rates import Rates
from workbench.protocol.status import RunStatus
from workbench.record.history import History
from workbench.tui.run import curves
from workbench.tui.run.layer_strips import has_layers, layers_come_first
from workbench.tui.run.layout import LEFT, Picture
from workbench.tui.run.margin_curves import has_many_margins, margin_chart, margin_field
from workbench.tui.run.moments import Moment
from workbench.tui.run.own_norm import OtherNorm
from workbench.tui.run.source import Source
from workbench.tui.run.surface import has_plane
from workbench.tui.run.x_axis import XAxis, classifies
from workbench.tui.widgets.chart import ChartModel
from workbench.tui.widgets.density import DensityModel
from workbench.tui.widgets.margin_field import MarginFieldModel

LeftModel = ChartModel | DensityModel | MarginFieldModel


def left_parts(source: Source | None) -> tuple[str, ...]:
    """The charts on the left: fields where there are too many samples or neurons for lines."""
    if source is None or not source.history.length:
        return LEFT
    history = source.history
    many = has_many_margins(history) and classifies(source.config, history)
    middle = "margins" if many else "middle"
    return "risk", middle, "density" if _has_density(history) else "lower"


def _has_density(history: History) -> bool:
    if not history.has("neuron_angle"):
        return False
    return bool(history.vector("neuron_angle")[1].shape[1] > curves.FEW_NEURONS)


def pictures_of(source: Source | None) -> tuple[Picture, ...]:
    """What the upper place on the right can show, most telling first: directions of neurons in the plane;
    the layers; the prediction over the plane; the course of θ's direction."""
    if source is None or not source.history.length:
        return ("directions",)
    history = source.history
    there: list[Picture] = ["directions"] if history.has("neuron_angle") else []
    if has_layers(history):
        there.insert(0 if layers_come_first(history) else len(there), "layers")
    there += ["prediction"] if has_plane(source.data()[0]) else []
    return (*there, "course")


def left_charts(
    source: Source, x_axis: XAxis, x: Float[np.ndarray, " T"], moment: Moment
) -> Iterable[tuple[str, Callable[[], LeftModel]]]:
    """The left column by widget: the course; margins, or norms; directions. Made when called."""
    history = source.history
    # Over ln(n/𝓛) the risk would be a straight line.
    against_risk = x_axis.quantity == "ln(n/L)"
    norm = OtherNorm.of(source.config, history)

    def path() -> ChartModel:
        return curves.path_chart(history, x_axis, x, norm)

    yield "risk", path if against_risk else lambda: curves.risk_chart(history, x_axis, x)
    final = not (source.live and source.progress().state is RunStatus.RUNNING)
    yield "margins", lambda: margin_field(history, x_axis, x, final)
    of_classes = classifies(source.config, history)

    def norms() -> ChartModel:
        return curves.norm_chart(history, x_axis, x)

    yield "middle", (lambda: margin_chart(history, x_axis, x, norm)) if of_classes else norms
    yield "density", lambda: curves.angle_density(history, x_axis, x)
    if history.has("neuron_angle"):
        yield "lower", lambda: curves.angle_chart(history, x_axis, x, moment.signs)
    else:
        yield "lower", norms if of_classes else path


def course_chart(
    source: Source, x_axis: XAxis, x: Float[np.ndarray, " T"], found: Rates | None
) -> ChartModel:
    """Sharpness where the run measures it; else rates against theory; before there are any, what the left
    column does not show."""
    history = source.history
    if history.has("sharpness"):
        return curves.sharpness_chart(history, x_axis, x)
    if found is not None and len(found):
        return curves.rates_chart(found, history, x_axis, x)
    if x_axis.quantity == "ln(n/L)" and history.has("learning_rate_log"):
        return curves.step_size_chart(history, x_axis, x)
    return curves.path_chart(history, x_axis, x, OtherNorm.of(source.config, history))
