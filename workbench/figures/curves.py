"""Curves over one horizontal axis, as figures of several runs hold them: in panels, a dash a quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.figures.options import FigureOptions
from workbench.figures.style import (
    GREY,
    INK,
    drawable,
    legend_above,
    panels,
    positive,
    say_if_empty,
    show_all,
    widen,
)

Dashes = Literal["-", "--", "-.", ":"]
DASHES: tuple[Dashes, ...] = ("-", "--", "-.", ":")


@dataclass(frozen=True, eq=False)
class Curve:
    """`y` over `x`, (K) each; `quantity` says what it is where a panel has several; `thin` for references."""

    x: Array
    y: Array
    quantity: str = ""
    dashes: Dashes = "-"
    thin: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """Curves of one run under one `label`; `log` vertical axis; `level`: a line that they are seen against.

    `late`: what comes after the first quarter shall be readable, however far the start is from it. `span`:
    what a linear axis spans at least. `named`: its legend names even a single curve.
    """

    label: str
    curves: tuple[Curve, ...]
    log: bool = False
    level: float | None = None
    late: bool = False
    span: float = 0.0
    named: bool = False


def draw_panels(
    figure: Figure,
    runs: Sequence[Sequence[Panel]],
    labels: Sequence[str],
    colours: Sequence[Sequence[str]],
    options: FigureOptions,
) -> list[Axes]:
    """Panels of the same label over one another, the runs' legend above all; the axes from above.

    Args:
        runs: of every run its panels; not every run needs all of them.
        labels: what every run is called; none for a single run.
        colours: of every run its curves' colours, which repeat where there are fewer of them.
    """
    titles = list(dict.fromkeys(panel.label for each in runs for panel in each))
    axes = panels(figure, options, [1.15] if len(titles) == 1 else [0.9] * len(titles))
    named = [Line2D([], [], color=c[0], label=n) for n, c in zip(labels, colours, strict=False)]
    told: list[object] = []
    for own, title in zip(axes, titles, strict=True):
        same = [
            (panel, colour)
            for each, colour in zip(runs, colours, strict=True)
            for panel in each
            if panel.label == title
        ]
        for panel, colour in same:
            _curves(own, panel, colour)
        own.set_ylabel(title)
        _scale(own, [panel for panel, _ in same])
        say_if_empty(own)
        # What dashes mean stands where it changes.
        dashes = _quantities(same, INK if labels else "")
        meaning = [line.get_label() for line in dashes]
        legend_above(
            own, [*(named if own is axes[0] else []), *(dashes if meaning != told else [])]
        )
        told = meaning or told
    return axes


def _curves(axes: Axes, panel: Panel, colours: Sequence[str]) -> None:
    for place, curve in enumerate(panel.curves):
        axes.plot(
            curve.x,
            positive(curve.y) if panel.log else drawable(curve.y),
            color=colours[place % len(colours)],
            linestyle=curve.dashes,
            linewidth=0.8 if curve.thin else 1.2,
        )


def _scale(axes: Axes, drawn: Sequence[Panel]) -> None:
    panel = drawn[0]
    if panel.level is not None:
        axes.axhline(panel.level, color=GREY, linewidth=0.5, zorder=0)
    if panel.log:
        axes.set_yscale("log")
        return
    curves = [drawable(curve.y) for each in drawn for curve in each.curves]
    if panel.span:
        widen(axes, np.concatenate(curves), panel.span)
    if panel.late:
        show_all(axes, np.concatenate(curves), np.concatenate([c[len(c) // 4 :] for c in curves]))


def _quantities(drawn: Sequence[tuple[Panel, Sequence[str]]], ink: str) -> list[Line2D]:
    """What the dashes of one panel mean, where it has several: in `ink`, or each in its colour."""
    named: dict[str, Line2D] = {}
    for panel, colours in drawn:
        for place, curve in enumerate(panel.curves):
            colour = ink or colours[place % len(colours)]
            line = Line2D([], [], color=colour, linestyle=curve.dashes, label=curve.quantity)
            named.setdefault(curve.quantity, line)
    return list(named.values()) if len(named) > 1 or any(p.named for p, _ in drawn) else []
