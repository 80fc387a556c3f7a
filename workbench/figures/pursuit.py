"""The stairs of neuron pursuit beside the risk of a run from a tiny start (arXiv 2509.12154)."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.arrays import Array, Float
from workbench.figures.options import INCHES, FigureOptions, Size
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, GREY, ORANGE, drawable
from workbench.record.pursuit_file import KeptPursuit, RunBeside
from workbench.record.schema import STEP
from workbench.run.pursued import Options, PursuitTask
from workbench.run.pursuing import Pursuing
from workbench.run.stored import require_trust

DEEPEST = 4.0
"""Decades below the risk at 0 that are drawn."""
AFTER = 1.15
"""How far the run's axis goes, over the place at which its risk is below all that is drawn."""
FEW: dict[Size, int] = {"column": 3, "page": 6}
"""Intervals between the ticks of the run's axis."""


@dataclass(frozen=True, eq=False)
class Stairs:
    """What is drawn. `levels` (S): log₁₀ of the risk at every stage; `stage`, `log10_risk` (T): the flow
    between them, each as wide as the other. `beside`: the run's nearest approach to every stage."""

    levels: Float[Array, " S"]
    stage: Float[Array, " T"]
    log10_risk: Float[Array, " T"]
    beside: RunBeside


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """The run's risk on the left, the pursuit's from stage to stage on the right, at one height; levels run
    through both. Circles: where the run's outputs are nearest to a stage's, with ‖Φ − Φ_stage‖/‖y‖.

    Raises:
        BadInput: neuron pursuit says nothing of the run's network, loss or data, or θ was not recorded.
    """
    found = stairs_of(series)
    width, height = INCHES[options.size]
    figure.set_size_inches(width, 1.1 * height)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.7, 1.0])
    top = float(found.levels[0])
    floor = max(top - DEEPEST, float(np.nanmin(drawable(found.levels), initial=top)) - 0.5)
    for axes in (left, right):
        for level in found.levels[found.levels > floor]:
            axes.axhline(level, color=GREY, linewidth=0.5, linestyle="--", zorder=0)
    _run(left, series, found, options, floor)
    _pursuit(right, found, floor)
    left.set_ylim(floor, top + 0.08 * (top - floor))
    left.set_ylabel(r"$\log_{10}\mathcal{L}$")
    handles = [*left.get_lines()[-2:], *right.get_lines()[-1:]]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.2)


def stairs_of(series: RunSeries) -> Stairs:
    """The pursuit of what a run trains, with the run beside it.

    Raises:
        BadInput: as `draw`.
    """
    series.require("pursuit", "theta")
    run = series.run
    require_trust(run.config.own_classes, False, series.name)
    pursuing = Pursuing.of(run.config.for_looking(), series.name, run.dataset)
    kept = PursuitTask(pursuing, Options(), run.folder).compute()
    assert kept.beside is not None
    stage, risk = _flows(kept)
    levels = np.array([kept.log10_risk(one) for one in kept.stages])
    return Stairs(levels, stage, risk, kept.beside)


def _flows(kept: KeptPursuit) -> tuple[Float[Array, " T"], Float[Array, " T"]]:
    """(place between two stages, log₁₀ risk) of the flows between them."""
    places, risks = [np.zeros(0)], [np.zeros(0)]
    for number, stage in enumerate(kept.stages):
        if len(stage.time):
            places.append(number - 1.0 + stage.time / (float(stage.time[-1]) or 1.0))
            risks.append((stage.log_risk + log(kept.factor)) / log(10.0))
    return np.concatenate(places), np.concatenate(risks)


def _run(
    axes: Axes, series: RunSeries, found: Stairs, options: FigureOptions, floor: float
) -> None:
    """The risk over training until it is below the floor, and where each stage is passed nearest."""
    along = series.along(options)
    risk = drawable(along.read("log_risk") / np.log(10.0))
    axes.plot(along.x, risk, color=BLUE, label="run")
    passed = np.isin(along.read(STEP), found.beside.step)
    axes.plot(
        along.x[passed],
        risk[passed],
        "o",
        color=BLUE,
        markerfacecolor="white",
        markersize=4.5,
        label="nearest to a stage",
    )
    series.put_x_axis(axes, options)
    below = np.flatnonzero(risk < floor)
    if len(below) and options.x_range is None:
        axes.set_xlim(right=AFTER * float(along.x[below[0]]))
    if not options.log_x:
        axes.xaxis.set_major_locator(MaxNLocator(FEW[options.size]))


def _pursuit(axes: Axes, found: Stairs, floor: float) -> None:
    """The flow from stage to stage, and the stages with how near the run comes."""
    axes.plot(found.stage, drawable(found.log10_risk), color=ORANGE)
    levels = np.maximum(found.levels, floor)
    for number, (level, visit) in enumerate(zip(levels, found.beside.visits, strict=True)):
        axes.annotate(
            _share(visit.distance),
            (number, level),
            xytext=(3, 3.5),
            textcoords="offset points",
            fontsize=7,
        )
    axes.plot(
        np.arange(len(levels)), levels, "D", color=ORANGE, markersize=4, label="neuron pursuit"
    )
    axes.set_xlim(-0.3, len(levels) + 0.2)
    axes.set_xlabel("stage")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _share(distance: float) -> str:
    """‖Φ − Φ_stage‖/‖y‖ in percent."""
    return "<0.1 %" if distance < 1e-3 else f"{100.0 * distance:.2g} %"
