"""Median and quantile bands of a series over members: its course, with how far seeds lie apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from xarray import Dataset

from workbench.arrays import Array
from workbench.errors import BadInput, clean_text, unknown
from workbench.figures.options import FigureOptions
from workbench.figures.style import (
    GREY,
    drawable,
    panels,
    run_colours,
    say_if_empty,
)
from workbench.study.figures.keys import count_text, dims_over, plain, value_texts
from workbench.study.figures.options import StudyFigureOptions
from workbench.study.figures.words import is_logarithm, label_of
from workbench.study.values import grid_dims

STEP = "step"
MOST_CURVES = 12
BANDS = ((0.05, 0.95), (0.25, 0.75))
FEWEST = 20
"""Members from which on 5 and 95 % are shown; of fewer, the least and the greatest."""


def series_names(dataset: Dataset) -> list[str]:
    """Series of one number a record that the study keeps."""
    dims = {*grid_dims(dataset), STEP}
    return [str(name) for name, array in dataset.data_vars.items() if set(array.dims) == dims]


def draw(dataset: Dataset, figure: Figure, options: StudyFigureOptions) -> None:
    """A curve and its bands for every choice of one key, over the gradient steps; N in the legend.

    Members that came to rest before a step do not count there, and N says between which numbers it lies.
    """
    name = _series(dataset, options)
    keys = dims_over(dataset, options.over, "bands", default=1, most=1, few=MOST_CURVES)
    table, labels = _curves(dataset, name, keys)
    step = np.asarray(dataset[STEP].values, dtype=np.float64)
    if is_logarithm(name):
        table = table / math.log(10.0)
    (axes,) = panels(figure, FigureOptions(size=options.size), (1.15,))
    x = np.where(step > 0, step, np.nan) if options.log_x else step
    colours = run_colours(len(table))
    handles: list[Any] = []
    few = False
    for values, label, colour in zip(table, labels, colours, strict=True):
        count = np.isfinite(values).sum(axis=0)
        few |= int(count.max(initial=0)) < FEWEST
        _band(axes, x, values, colour)
        n = count_text(count[count > 0]) if (count > 0).any() else "N = 0"
        handles.append(Line2D([], [], color=colour, label=f"{label}, {n}" if label else n))
    axes.set_ylabel(label_of(dataset, name, width=36))
    axes.set_xlabel("gradient steps")
    if options.log_x:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    shown = x[np.isfinite(x)]
    if len(shown) and shown.min() < shown.max():
        axes.set_xlim(float(shown.min()), float(shown.max()))
    outer = "all" if few else "5–95 %"
    first = colours[0] if len(table) == 1 else GREY
    handles += [
        Patch(color=first, alpha=0.55, linewidth=0, label="25–75 %"),
        Patch(color=first, alpha=0.25, linewidth=0, label=outer),
    ]
    title = f"median by {plain(keys[0][0])}" if keys else "median"
    axes.legend(
        handles=handles,
        title=title,
        title_fontsize=8,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        ncols=2 if options.size == "column" else 4,
    )
    say_if_empty(axes)


def _series(dataset: Dataset, options: StudyFigureOptions) -> str:
    names = series_names(dataset)
    if not names:
        raise BadInput(
            "figure 'bands' cannot be drawn: the study keeps no series of one number a record."
        )
    if options.of is None:
        return "log_risk" if "log_risk" in names else names[0]
    if options.of in names:
        return options.of
    if options.of in dataset.data_vars and STEP in dataset[options.of].dims:
        raise BadInput(
            f"figure 'bands' cannot be drawn of '{clean_text(options.of, 80)}', which has many numbers a "
            f"record; allowed: {', '.join(sorted(names))}."
        )
    raise unknown("series", options.of, names, "--of")


def _curves(dataset: Dataset, name: str, keys: list[tuple[str, str]]) -> tuple[Array, list[str]]:
    """(C, N, T) the series of all members by choice, and the choices' names."""
    array = dataset[name].load()
    dims = grid_dims(dataset)
    if not keys:
        values = array.transpose(*dims, STEP).values
        return drawable(values.reshape(1, -1, values.shape[-1])), [""]
    key, dim = keys[0]
    size = dataset.sizes[dim]
    if size > MOST_CURVES:
        raise BadInput(
            f"figure 'bands' has room for {MOST_CURVES} curves, and {clean_text(key, 60)} has {size:,} "
            "choices; --over names another key."
        )
    values = array.transpose(dim, *(d for d in dims if d != dim), STEP).values
    return drawable(values.reshape(size, -1, values.shape[-1])), value_texts(dataset, key)


def _band(axes: Any, x: Array, values: Array, colour: Any) -> None:
    """The median of (N, T) members, and between which numbers half and nearly all of them lie."""
    # Members of other shards have records at other steps.
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return
    x, values = x[known], values[:, known]
    few = np.isfinite(values).sum(axis=0).max() < FEWEST
    levels = ((0.0, 1.0), BANDS[1]) if few else BANDS
    for (low, high), alpha in zip(levels, (0.14, 0.28), strict=True):
        lower, upper = np.nanquantile(values, (low, high), axis=0)
        axes.fill_between(x, lower, upper, color=colour, alpha=alpha, linewidth=0, zorder=1)
    axes.plot(x, np.nanmedian(values, axis=0), color=colour, zorder=2)
