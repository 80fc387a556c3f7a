"""What a chart can be taken away as: values at the cursor, its series, the command that draws it. Pure."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import numpy as np

from workbench.tui.run.charts import LeftModel
from workbench.tui.run.x_axis import Quantity, XAxis
from workbench.tui.widgets.chart import ChartModel
from workbench.tui.widgets.scale import Floats, Kind

MOST_BYTES = 60_000
"""Terminals cut what is longer: most take 74 kB of a clipboard, in base64."""
FIGURES: tuple[tuple[str, str], ...] = (
    ("risk ", "risk"),
    ("norm", "norms"),
    ("margin", "margins"),
    ("smallest margin", "margins"),
    ("neuron angles", "directions"),
    ("rates", "rates"),
    ("step size", "learning-rate"),
    ("rank", "layers"),
)
"""How a chart's title begins, and the figure that shows the same; `norm` is before `normalized margin`."""
AXES: dict[Quantity, str] = {"step": "step", "time": "time", "ln(n/L)": "margin"}
SAME_UNITS = frozenset({"risk", "margins"})
"""Figures whose first panel counts y as the chart does."""


def figure_of(title: str) -> str | None:
    """The figure of `workbench plot` that shows what a chart of this title does; None: there is none."""
    if title.startswith("normalized margin"):
        return "margins"
    return next((figure for start, figure in FIGURES if title.startswith(start)), None)


def columns_of(model: LeftModel) -> list[tuple[str, Floats, Floats]]:
    """Every series of a chart as its name, x (K) and y (K); a bundle's by their numbers, from 1."""
    if not isinstance(model, ChartModel):
        return (
            []
            if model.x is None or model.values is None
            else _many(model.x, np.asarray(model.values, dtype=np.float64))
        )
    alone = model.title.split("  ")[-1]
    lines = [(curve.label or alone, curve.x, curve.y) for curve in model.curves]
    for bundle in model.bundles:
        lines += _many(bundle.x, bundle.values)
    return lines


def _many(x: Floats, values: Floats) -> list[tuple[str, Floats, Floats]]:
    return [(str(k + 1), x, column) for k, column in enumerate(values.T)]


def values_text(model: LeftModel, cursor: float | None) -> str:
    """A line for every series: its name and its value at the cursor's x, or the last one."""
    lines = []
    for name, x, y in columns_of(model):
        size = min(len(x), len(y))
        if size:
            row = size - 1 if cursor is None else int(np.argmin(np.abs(x[:size] - cursor)))
            lines.append(f"{name}\t{float(y[row])!r}")
    return "\n".join(lines)


def table_text(model: LeftModel, x_name: str) -> tuple[str, int, int]:
    """The series with tabs between, a block for every x they share, and how many of all rows it holds: only
    as many, evenly spread, as a terminal's clipboard takes."""
    blocks: dict[tuple[int, int], tuple[Floats, list[tuple[str, Floats]]]] = {}
    for name, x, y in columns_of(model):
        blocks.setdefault((id(x), len(y)), (x, []))[1].append((name, y))
    every = sum(min(len(x), len(series[0][1])) for x, series in blocks.values())
    least = 1
    while True:
        text, rows = _blocks(list(blocks.values()), x_name, least)
        if len(text.encode()) <= MOST_BYTES or rows <= 2 * len(blocks):
            return text, rows, every
        least *= 2


def _blocks(
    blocks: list[tuple[Floats, list[tuple[str, Floats]]]], x_name: str, each: int
) -> tuple[str, int]:
    """The blocks with every `each`-th row and the last one."""
    parts, rows = [], 0
    for x, series in blocks:
        size = min(len(x), len(series[0][1]))
        kept = np.union1d(np.arange(0, size, each), np.arange(size)[-1:])
        lines = ["\t".join([x_name, *(name for name, _ in series)])]
        lines += [
            "\t".join(repr(float(value)) for value in (x[row], *(y[row] for _, y in series)))
            for row in kept
        ]
        parts.append("\n".join(lines))
        rows += len(kept)
    return "\n\n".join(parts), rows


def arguments_of(
    folder: Path,
    figure: str,
    x_axis: XAxis,
    y: tuple[float, float] | None,
    *,
    whole: bool,
    output: str,
) -> list[str]:
    """What `workbench` is given to draw what the screen shows: the same axis and the part of it in sight.

    `y`: the chosen range of a chart whose figure counts as it does; `whole`: all of x is in sight.
    """
    found = ["plot", _shown(folder), "--figure", figure, "--x", AXES[x_axis.quantity]]
    log = x_axis.kind is Kind.LOG
    if log:
        found.append("--log-x")
    if x_axis.x_range is not None and not whole and x_axis.kind is not Kind.POWER:
        found.append("--x-range={:.6g}:{:.6g}".format(*x_axis.x_range))
    if y is not None and figure in SAME_UNITS:
        found.append("--y-range={:.6g}:{:.6g}".format(*y))
    return [*found, "-o", output]


def command_text(arguments: list[str]) -> str:
    """The command as a shell takes it."""
    return shlex.join(["workbench", *arguments])


def _shown(folder: Path) -> str:
    """The folder from here where it lies below, else from the root."""
    relative = os.path.relpath(folder)
    return str(folder.resolve()) if relative.startswith("..") else relative
