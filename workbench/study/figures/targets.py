"""Which KKT point how many members go to, as shares with their intervals (KH24 Theorem 5.1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import Dataset

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.options import INCHES
from workbench.figures.style import BLUE, CYCLE, INK
from workbench.study.figures.keys import dims_over, plain, value_texts
from workbench.study.figures.options import StudyFigureOptions
from workbench.study.figures.words import note_below
from workbench.study.shares import Share
from workbench.study.targets import Target, Targets, targets_of
from workbench.study.values import grid_dims

MOST_POINTS = 12
MOST_GROUPS = 6
KINDS = {"max": "maximum", "min": "minimum", "saddle": "saddle", "flat": "flat set"}


def draw(dataset: Dataset, figure: Figure, options: StudyFigureOptions) -> None:
    """A bar a KKT point, most frequent first, as long as the share of members whose first leaver goes there.

    Whiskers are Wilson's 95 % intervals. Below stand N and how many members have no such point. A key with
    few choices parts the bars.
    """
    found = targets_of(dataset, options.saddle)
    if not found.points:
        raise BadInput(
            f"figure 'targets' cannot be drawn: of no member it is known where the first leaver of saddle "
            f"{options.saddle} goes."
        )
    points = found.points[:MOST_POINTS]
    groups = _groups(dataset, found, options)
    width, _ = INCHES[options.size]
    figure.set_size_inches(width, 1.1 + len(points) * max(0.26, 0.13 * len(groups) + 0.1))
    axes = figure.add_subplot()
    most = max(
        _bars(axes, found, len(points), place, len(groups), group)
        for place, group in enumerate(groups)
    )
    axes.set_yticks(range(len(points)), [_name(point) for point in points])
    axes.set_ylim(len(points) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0.0, min(1.0, 1.08 * most) if len(groups) > 1 else 1.28 * most)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %" if value <= 1 else "")
    axes.set_xlabel("share of members")
    if len(groups) > 1:
        axes.legend(
            title=plain(groups[0].key),
            title_fontsize=8,
            alignment="left",
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.2,
            handlelength=1.0,
            ncols=2 if options.size == "column" else 3,
        )
    note_below(figure, _note(found, options.saddle), options.size)


class _Group:
    """Members that have a bar of their own: those with one choice of a key, or all."""

    def __init__(self, key: str, text: str, among: Array, colour: Any) -> None:
        self.key, self.text, self.among, self.colour = key, text, among, colour


def _groups(dataset: Dataset, found: Targets, options: StudyFigureOptions) -> list[_Group]:
    keys = dims_over(dataset, options.over, "targets", default=1, most=1, few=MOST_GROUPS)
    everybody = np.ones(found.aimed.shape, dtype=bool)
    if not keys or dataset.sizes[keys[0][1]] == 1:
        return [_Group("", "", everybody, BLUE)]
    key, dim = keys[0]
    size = dataset.sizes[dim]
    if size > MOST_POINTS:
        raise BadInput(
            f"figure 'targets' parts its bars by {MOST_POINTS} choices at most, and {key} has {size:,}; "
            "--over names another key."
        )
    axis = grid_dims(dataset).index(dim)
    shades = (
        list(CYCLE) if size <= len(CYCLE) else list(colormaps["viridis"](np.linspace(0, 0.9, size)))
    )
    groups = []
    for k, text in enumerate(value_texts(dataset, key)):
        among = np.zeros(found.aimed.shape, dtype=bool)
        np.moveaxis(among, axis, 0)[k] = True
        groups.append(_Group(key, text, among, shades[k]))
    return groups


def _bars(axes: Axes, found: Targets, count: int, place: int, of: int, group: _Group) -> float:
    """The bars of one group of members; how far the longest whisker reaches."""
    shares = found.shares(group.among)[:count]
    thick = 0.72 / of
    y = np.arange(count) - 0.36 + thick * (place + 0.5)
    value = np.array([share.value for share in shares])
    total = shares[0].total
    label = f"{group.text} (N = {total:,})"
    axes.barh(
        y, np.nan_to_num(value), height=0.9 * thick, color=group.colour, label=label, zorder=2
    )
    if not total:
        return 0.0
    whiskers = [value - [s.low for s in shares], [s.high for s in shares] - value]
    axes.errorbar(
        value,
        y,
        xerr=np.maximum(whiskers, 0.0),
        fmt="none",
        ecolor=INK,
        elinewidth=0.7,
        capsize=1.6,
        zorder=3,
    )
    if of == 1:
        for height, share in zip(y, shares, strict=True):
            axes.text(share.high, height, f"  {_count(share)}", va="center", fontsize=8, color=INK)
    return max(share.high for share in shares)


def _count(share: Share) -> str:
    return f"{share.count:,} of {share.total:,}"


def _name(point: Target) -> str:
    """Its angle in the plane, else its correlation; and its kind."""
    kind = KINDS.get(point.kind, plain(point.kind, 20))
    if math.isfinite(point.angle):
        return f"{kind}, {round(point.angle)}°".replace("-", "−")
    return f"{kind}, $N={point.value:.3g}$"


def _note(found: Targets, saddle: int) -> list[str]:
    total = found.met.size
    met, left, aimed = (int(mask.sum()) for mask in (found.met, found.left, found.aimed))
    lines = [f"N = {aimed:,} of {total:,} members: where the first to leave saddle {saddle} goes."]
    rest = [
        f"{count:,} {what}"
        for count, what in (
            (total - met, "met no such saddle"),
            (met - left, "have not left it"),
            (left - aimed, "left for no known point"),
        )
        if count
    ]
    if rest:
        lines.append(f"Not counted: {', '.join(rest)}.")
    if len(found.points) > MOST_POINTS:
        more = found.points[MOST_POINTS:]
        lines.append(
            f"Not shown: {len(more)} more points, of {sum(int(p.where.sum()) for p in more):,} members."
        )
    return lines
