"""Robust accuracy against the radius in L2, a state a colour: LL20 Fig. 8, with the certified bound; below,
where they were looked at, of the held-out samples."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.errors import BadInput
from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import CYCLE, INK, legend_above, panels
from workbench.record.robustness_file import RobustAccuracy, kept_robustness

RADIUS = r"radius $\epsilon$ in $L^2$"
MOST = len(CYCLE)
"""More states than colours are thinned, first and last kept."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """Attack solid, certified dashed: the robust accuracy lies between them."""
    kept = _kept(series)
    parts = [[state for state in kept if state.held_out is held_out] for held_out in (False, True)]
    rows = [part for part in parts if part]
    steps = _thinned(sorted({state.step: state for state in kept}.values(), key=lambda s: s.step))
    colors = dict(zip((state.step for state in steps), CYCLE, strict=False))
    drawn = panels(figure, options, [1.0] * len(rows))
    shown = [state for state in kept if state.step in colors]
    for axes, part in zip(drawn, rows, strict=True):
        for state in part:
            if (color := colors.get(state.step)) is None:
                continue
            axes.plot(state.radii, state.accuracy, color=color)
            if state.certified is not None:
                axes.plot(state.radii, state.certified, color=color, linestyle="--", linewidth=0.9)
        _finish(axes, shown, "of held-out samples" if part[0].held_out else "")
    drawn[-1].set_xlabel(RADIUS)
    axes = drawn[0]
    handles = [Line2D([], [], color=colors[state.step], label=_label(state)) for state in steps]
    handles.append(Line2D([], [], color=INK, label="attacked (at most)"))
    if any(state.certified is not None for state in shown):
        handles.append(
            Line2D([], [], color=INK, linestyle="--", linewidth=0.9, label="certified (at least)")
        )
    legend_above(axes, handles, columns=2 if options.size == "column" else 4)


def _kept(series: RunSeries) -> list[RobustAccuracy]:
    """What is kept of the run; raises BadInput where that is nothing."""
    kept = kept_robustness(series.reader.folder)
    if not kept:
        raise BadInput(
            f"figure 'robustness' cannot be drawn: nothing is measured yet of run '{series.name}'; "
            f"workbench robustness {series.name} does."
        )
    return kept


def _finish(axes: Axes, shown: list[RobustAccuracy], of: str) -> None:
    axes.set_ylabel(_named(of))
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(0.0, max(float(state.radii[-1]) for state in shown))


def _thinned(kept: list[RobustAccuracy]) -> list[RobustAccuracy]:
    if len(kept) <= MOST:
        return kept
    return [kept[round(i * (len(kept) - 1) / (MOST - 1))] for i in range(MOST)]


def _label(state: RobustAccuracy) -> str:
    if not math.isfinite(state.log10_risk):
        return f"step {state.step:,}"
    return rf"$\mathcal{{L}}=10^{{{state.log10_risk:.3g}}}$"


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """Of the last state that was looked at, over the radius."""
    kept = _kept(series)
    shown = []
    for held_out in (False, True):
        states = [state for state in kept if state.held_out is held_out]
        if not states:
            continue
        last = max(states, key=lambda state: state.step)
        pair = [Curve(last.radii, last.accuracy, "attacked (at most)")]
        if last.certified is not None:
            pair.append(Curve(last.radii, last.certified, "certified (at least)", DASHES[1]))
        shown.append(Panel(_named("of held-out samples" if held_out else ""), tuple(pair)))
    return shown


def _named(of: str) -> str:
    return f"robust accuracy\n{of}".rstrip()
