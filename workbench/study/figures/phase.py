"""An outcome over two keys of the grid: what happens where, all other keys taken together in a cell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from xarray import DataArray, Dataset

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.options import INCHES
from workbench.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED, SKY
from workbench.study.figures.keys import (
    count_text,
    dims_over,
    plain,
    value_text,
    value_texts,
)
from workbench.study.figures.options import StudyFigureOptions
from workbench.study.figures.words import is_logarithm, label_of
from workbench.study.values import grid_dims, is_text, outcome_names, values_of

FIRST_CHOICE = ("end_optimality", "end_verdict", "saddle_escape_step")
"""What is drawn unasked, where the study has it; else the status."""
COLOURS = {
    "finished": BLUE,
    "saddle": BLUE,
    "global": BLUE,
    "max": BLUE,
    "minimum": GREEN,
    "local": GREEN,
    "local minimum": SKY,
    "flat": SKY,
    "stalled": ORANGE,
    "plateau": ORANGE,
    "not local": ORANGE,
    "diverged": RED,
    "diverging": RED,
    "failed": PURPLE,
    "undecided": "#c9c9c9",
    "running": SKY,
    "waiting": "#e4e4e4",
    "missing": "#e4e4e4",
    "lost": "#c9c9c9",
}
"""Of words that the workbench itself says; others have those that are left, by their share."""
SPARE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
NOTHING = "#f2f2f2"
MOST_WORDS = 6
MOST_COUNTS = 8
"""Whole numbers of so many different values are shown as shares, like words."""
WIDE_RATIO = 100.0
"""Positive medians that span more than this have a logarithmic scale of colours."""
MANY_CELLS = 2_000
"""From so many pieces on, a vector file holds them as one picture."""
TICKS = {"column": 8, "page": 14}
LETTERED = {"column": 30, "page": 80}
"""Most cells whose values are written into them."""


def draw(dataset: Dataset, figure: Figure, options: StudyFigureOptions) -> None:
    """Words: every cell is divided by their shares. Numbers: its colour is their median.

    A cell without a value is grey. N in the legend counts the members of a cell that have one.
    """
    name = options.of or _default(dataset)
    values = values_of(dataset, name, options.saddle, "--of")
    keys = dims_over(dataset, options.over, "phase", default=2, most=2)
    if not keys:
        keys = [(dim, dim) for dim in grid_dims(dataset)[:2]]
    if not keys:
        raise BadInput("figure 'phase' needs a key, and this study's grid has none.")
    x_dim = keys[0][1]
    y_dim = keys[1][1] if len(keys) > 1 else None
    rest = [d for d in values.dims if d not in (x_dim, y_dim)]
    order = [*([y_dim] if y_dim else []), x_dim, *rest]
    table = values.transpose(*order).values
    cells = table.reshape(1 if y_dim is None else table.shape[0], values.sizes[x_dim], -1)
    axes = _axes(dataset, figure, options, keys)
    # Upright beside its bar, a name has the height of a panel.
    upright = len(keys) > 1 and not is_text(values)
    label = label_of(dataset, name, options.saddle, 30 if upright else 52)
    if is_text(values):
        _shares(axes, _word_shares(cells), label, options)
    elif _few_counts(cells):
        _shares(axes, _count_shares(cells), label, options)
    else:
        scaled = cells / math.log(10.0) if is_logarithm(name) else cells
        _medians(axes, scaled, label, LETTERED[options.size])


def _default(dataset: Dataset) -> str:
    names = outcome_names(dataset)
    for name in FIRST_CHOICE:
        if name in names and _some(values_of(dataset, name)):
            return name
    return "status"


def _some(values: DataArray) -> bool:
    return bool((values != "").any()) if is_text(values) else bool(values.notnull().any())


def _axes(
    dataset: Dataset, figure: Figure, options: StudyFigureOptions, keys: list[tuple[str, str]]
) -> Axes:
    """Cells of equal size, every choice of a key in its column or row, whatever its value is."""
    width, height = INCHES[options.size]
    figure.set_size_inches(width, height if len(keys) > 1 else 0.75 * height)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(True)
    most = TICKS[options.size]
    texts = value_texts(dataset, keys[0][0])
    # Long words need the room of several ticks.
    longest = max(map(_length, texts))
    room = max(2, min(most, (3 if options.size == "column" else 6) * 12 // max(longest, 4)))
    _ticks(axes.xaxis, texts, room)
    axes.set_xlim(0, len(texts))
    axes.set_xlabel(plain(keys[0][0]))
    if len(keys) == 1:
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_locator(NullLocator())
        return axes
    texts = value_texts(dataset, keys[1][0])
    _ticks(axes.yaxis, texts, most)
    axes.set_ylim(0, len(texts))
    axes.set_ylabel(plain(keys[1][0]))
    return axes


def _length(text: str) -> int:
    """Characters that a text takes on the page, about: of a formula, what it shows."""
    return len(text) if "$" not in text else (4 if r"\times" not in text else 8)


def _ticks(axis: Any, texts: list[str], most: int) -> None:
    """At most so many of the choices, evenly apart, in the middle of their cells."""
    each = next(n for n in _round_numbers() if n * most >= len(texts))
    places = range(0, len(texts), each)
    axis.set_major_locator(FixedLocator([k + 0.5 for k in places]))
    axis.set_ticklabels([texts[k] for k in places])
    axis.set_tick_params(length=0)


def _round_numbers() -> Iterator[int]:
    """1, 2, 5, 10, 20, …"""
    return (digit * 10**k for k in itertools.count() for digit in (1, 2, 5))


@dataclass(frozen=True, eq=False)
class _Shares:
    """`counts` (K, Y, X) members of a cell by word, `words` (K) and their `colours`."""

    words: list[str]
    colours: list[Any]
    counts: Array


def _word_shares(cells: Array) -> _Shares:
    """Of texts (Y, X, N); the rarest of more than `MOST_WORDS` are taken together."""
    found, index = np.unique(cells.astype(str), return_inverse=True)
    index = index.reshape(cells.shape)
    counts = {
        str(word): (index == k).sum(axis=-1) for k, word in enumerate(found) if str(word) != ""
    }
    words = sorted(counts, key=lambda word: (-int(counts[word].sum()), word))
    others = words[MOST_WORDS - 1 :] if len(words) > MOST_WORDS else []
    shown = [word for word in words if word not in others]
    colours = _colours(shown)
    stacks = [counts[word] for word in shown]
    if others:
        shown.append(f"{len(others)} others")
        colours.append(GREY)
        stacks.append(np.sum([counts[word] for word in others], axis=0))
    stacked = np.array(stacks) if stacks else np.zeros((0, *cells.shape[:2]), dtype=int)
    return _Shares([plain(word, 28) for word in shown], colours, stacked)


def _colours(words: list[str]) -> list[str]:
    """A colour a word, its own where it has one that none before it has."""
    found: list[str] = []
    spare = [colour for colour in SPARE if colour not in {COLOURS.get(word) for word in words}]
    for word in words:
        own = COLOURS.get(word)
        if own is None or own in found:
            left = [colour for colour in (*spare, *SPARE) if colour not in found]
            own = left[0] if left else GREY
        found.append(own)
    return found


def _few_counts(cells: Array) -> bool:
    known = cells[np.isfinite(cells)]
    if not known.size or (known != np.round(known)).any() or np.isinf(cells).any():
        return False
    return len(np.unique(known)) <= MOST_COUNTS


def _count_shares(cells: Array) -> _Shares:
    """Of whole numbers, in their order, darker for more."""
    from matplotlib import colormaps

    numbers = np.unique(cells[np.isfinite(cells)])
    shades = colormaps["viridis"](np.linspace(0.92, 0.08, max(2, len(numbers))))
    counts = np.array([(cells == number).sum(axis=-1) for number in numbers])
    return _Shares([f"{number:g}" for number in numbers], list(shades[: len(numbers)]), counts)


def _shares(axes: Axes, shares: _Shares, label: str, options: StudyFigureOptions) -> None:
    """Each cell cut into upright stripes as wide as the shares."""
    axes.set_facecolor(NOTHING)
    total = shares.counts.sum(axis=0)
    if not shares.words or not total.any():
        raise BadInput(f"no member has a value to colour by: {label.lower()}.")
    rows, columns = np.indices(total.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        edges = np.cumsum(shares.counts, axis=0) / total
    left = np.zeros(total.shape)
    for count, right, colour in zip(shares.counts, edges, shares.colours, strict=True):
        some = count > 0
        x0, x1 = (columns + left)[some], (columns + right)[some]
        y0 = rows[some].astype(float)
        corners = [(x0, y0), (x1, y0), (x1, y0 + 1), (x0, y0 + 1)]
        boxes = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
        axes.add_collection(
            PolyCollection(
                list(boxes),
                facecolors=[colour],
                edgecolors="none",
                linewidths=0,
                antialiaseds=False,
                rasterized=total.size > MANY_CELLS,
            )
        )
        left = np.where(total > 0, right, left)
    _borders(axes, total.shape)
    handles = [Patch(color=c, label=w) for c, w in zip(shares.colours, shares.words, strict=True)]
    if (total == 0).any():
        handles.append(Patch(facecolor=NOTHING, edgecolor=GREY, linewidth=0.4, label="none"))
    one_row = options.size == "page" or len(handles) < 4
    axes.legend(
        handles=handles,
        title=f"{label} ({_n(total)} a cell)",
        title_fontsize=8,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        handlelength=1.0,
        ncols=len(handles) if one_row else 3,
    )


def _n(total: Array) -> str:
    """N of the cells that have members with a value."""
    return count_text(total[total > 0])


def _borders(axes: Axes, shape: tuple[int, ...]) -> None:
    """White lines between cells, where these are large enough to stand them."""
    if max(shape) > 40:
        return
    for k in range(1, shape[1]):
        axes.axvline(k, color="white", linewidth=0.8)
    for k in range(1, shape[0]):
        axes.axhline(k, color="white", linewidth=0.8)


def _medians(axes: Axes, cells: Array, label: str, lettered: int) -> None:
    """Each cell in the colour of its median, which stands in it where there are few."""
    known = np.isfinite(cells)
    total = known.sum(axis=-1)
    if not total.any():
        raise BadInput(f"no member has a value to colour by: {label.lower()}.")
    medians = np.full(total.shape, np.nan)
    some = total > 0
    medians[some] = np.nanmedian(np.where(known, cells, np.nan)[some], axis=-1)
    low, high = float(np.nanmin(medians)), float(np.nanmax(medians))
    wide = low > 0 and high / low > WIDE_RATIO
    norm: Normalize = LogNorm(low, high) if wide else Normalize(low, high)
    axes.set_facecolor(NOTHING)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(medians),
        cmap="viridis",
        norm=norm,
        rasterized=total.size > MANY_CELLS,
    )
    _borders(axes, total.shape)
    several = cells.shape[-1] > 1
    what = f"{label}\n(median, {_n(total)} a cell)" if several else label
    # A strip is too low for a name beside it.
    place = "top" if len(cells) == 1 else "right"
    bar = axes.figure.colorbar(
        mesh, ax=axes, location=place, pad=0.02, aspect=22 if place == "right" else 40
    )
    bar.outline.set_linewidth(0.4)
    bar.set_label(what, fontsize=8)
    if not wide:
        bar.formatter = FuncFormatter(lambda value, _: value_text(float(f"{value:.6g}")))
    if total.size <= lettered:
        _letters(axes, medians, norm)


def _letters(axes: Axes, medians: Array, norm: Normalize) -> None:
    for (row, column), value in np.ndenumerate(medians):
        if np.isfinite(value):
            axes.text(
                column + 0.5,
                row + 0.5,
                value_text(float(f"{value:.3g}")),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if norm(value) < 0.6 else INK,
            )
