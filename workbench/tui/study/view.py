"""What the page of a study shows of what it has read: the choices made by keys, and the models of the
pictures. Knows no widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.arrays import Array
from workbench.tui.study.bands import MOST_GROUPS, Group, drawn, group_of, what_is_drawn
from workbench.tui.study.look import StudyLook
from workbench.tui.study.outcomes import LN10, Measured, first_asked, measured
from workbench.tui.study.pooled import Axes, Pooled, first_axes, heat, is_seed, pooled
from workbench.tui.study.table import (
    MemberColumn,
    columns_of,
    listed,
    member_filter,
    sorted_members,
)
from workbench.tui.study.targets import Targets, last_directions, rose, shares_of, targets_of
from workbench.tui.widgets.bars import BarsModel
from workbench.tui.widgets.chart import ChartModel
from workbench.tui.widgets.compass import CompassModel
from workbench.tui.widgets.heatmap import HeatModel
from workbench.tui.widgets.listing import Listed
from workbench.tui.widgets.scale import LEAST_DECADES, Floats, Kind
from workbench.tui.widgets.statusline import log_risk_text, number_text

RISK = "log_risk"


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile that was entered: its choices in words, and its members."""

    name: str
    members: Array


@dataclass(frozen=True)
class Choices:
    """What keys choose. `asked`: the outcome shown; `by`: the dimension of the bands, None for one band;
    `series` drawn; `which` saddle: 0 the first, −1 the last; `ends`: directions at the end instead;
    `tile`: only its members; `brief`: a narrow table."""

    asked: str = ""
    axes: Axes | None = None
    by: int | None = None
    series: str = RISK
    which: int = 0
    ends: bool = False
    cursor: tuple[int, int] | None = None
    tile: Tile | None = None
    filter: str = ""
    sort: str = "member"
    reverse: bool = False
    brief: bool = False
    log_x: bool = True
    log_y: bool = True
    x: float | None = None


class StudyView:
    """A look at a study, through the choices made."""

    def __init__(self, look: StudyLook, choices: Choices | None = None) -> None:
        self.look = look
        self.choices = self._begun() if choices is None else choices
        self.fits, self.mistake = member_filter(self.choices.filter, look, self.found)

    def _begun(self) -> Choices:
        look = self.look
        axes = first_axes(look) if look.dimensions else None
        groups = sorted(
            (k for k, d in enumerate(look.dimensions) if not is_seed(d) and len(d.labels) > 1),
            key=lambda k: _best_bands(len(look.dimensions[k].labels)),
        )
        series = RISK if RISK in look.series or not look.series else look.series[0]
        return Choices(axes=axes, by=groups[0] if groups else None, series=series)

    def having(self, **changes: object) -> StudyView:
        """The same look through other choices."""
        return StudyView(self.look, replace(self.choices, **changes))  # type: ignore[arg-type]

    def of(self, look: StudyLook) -> StudyView:
        """Another look through the same choices."""
        return StudyView(look, self.choices)

    def other_picture(self) -> StudyView:
        """Where the first saddle leads, the last one, and the last directions if they are kept, in turn."""
        choices, kept = self.choices, self.look.angles is not None
        if choices.which == 0:
            return self.having(which=-1, ends=False)
        return (
            self.having(ends=True)
            if kept and not choices.ends
            else self.having(which=0, ends=False)
        )

    @property
    def planar(self) -> bool:
        """Whether there is a picture in the plane."""
        return self.targets.planar or (self.choices.ends and self.look.angles is not None)

    # --- members ---

    @cached_property
    def targets(self) -> Targets:
        """The KKT points that saddles are left for."""
        return targets_of(self.look.saddles)

    @cached_property
    def found(self) -> dict[str, Measured]:
        """What can be asked of members."""
        return measured(self.look, self.targets)

    @property
    def asked(self) -> Measured:
        """What is asked; until somebody has chosen, what tells most by now."""
        chosen = self.choices.asked
        return self.found[chosen if chosen in self.found else first_asked(self.found)]

    @cached_property
    def columns(self) -> list[MemberColumn]:
        """The table's columns."""
        return columns_of(self.look, self.found, self.asked.key, self.choices.brief)

    def cells(self, room: tuple[int, int]) -> Pooled | None:
        """Members by tile, of which (rows, columns) fit; None without a grid."""
        if self.choices.axes is None:
            return None
        return pooled(self.look, self.choices.axes, room)

    @cached_property
    def members(self) -> Array:
        """The members that fit the filter and lie in the tile that was entered, in the table's order."""
        tile = self.choices.tile
        chosen = np.arange(self.look.count) if tile is None else tile.members
        if self.choices.filter:
            chosen = np.array([k for k in chosen.tolist() if self.fits(k)], dtype=np.int64)
        column = next((c for c in self.columns if c.key == self.choices.sort), self.columns[0])
        return sorted_members(chosen, column, self.choices.reverse)

    # --- pictures ---

    def heat(self, room: tuple[int, int], focused: bool, mark: str = "") -> HeatModel:
        """The outcome over two keys; `mark` before the title."""
        cells = self.cells(room)
        if cells is None:
            return HeatModel(empty="this study has one member: its grid has no key")
        cursor = self.choices.cursor
        if cursor is not None:
            cursor = min(cursor[0], cells.shape[0] - 1), min(cursor[1], cells.shape[1] - 1)
        picture = heat(cells, self.asked, cursor, focused)
        return replace(picture, title=mark + picture.title)

    @property
    def limited(self) -> str:
        """What keeps members out of sight, in words; empty: nothing does."""
        tile = "" if self.choices.tile is None else self.choices.tile.name
        return "  ".join(part for part in (tile, self.choices.filter) if part)

    def rose(self, mark: str = "") -> CompassModel:
        """Where these members' saddles lead, in the plane; or where their neurons came to."""
        angles, norms = self.look.angles, self.look.norms
        if self.choices.ends and angles is not None:
            kept = (
                norms[self.members] if norms is not None and norms.shape == angles.shape else None
            )
            found = last_directions(self.targets, angles[self.members], kept)
            return replace(found, title=mark + found.title)
        found = rose(self.targets, self.members, self.look.count, self.choices.which)
        return replace(found, title=mark + found.title)

    def shares(self, mark: str = "") -> BarsModel:
        """The same, counted."""
        found = shares_of(self.targets, self.members, self.look.over, self.choices.which)
        return replace(found, title=mark + found.title if found.title else "")

    def table(self) -> Listed:
        """Rows of these members."""
        return listed(self.columns, self.members, self.choices.sort, self.choices.reverse)

    def groups(self) -> list[tuple[str, Array]]:
        """The members by band: a choice of the key that bands are by, several where they are many."""
        by, members = self.choices.by, self.members
        if by is None:
            return [("all", members)]
        dimension = self.look.dimensions[by]
        merge = -(-len(dimension.labels) // MOST_GROUPS)
        place = self.look.place[members, by] // merge
        found = []
        for group in np.unique(place[place >= 0]).tolist():
            first, last = group * merge, min((group + 1) * merge, len(dimension.labels)) - 1
            label = dimension.labels[first]
            label += f"…{dimension.labels[last]}" if last > first else ""
            found.append((label, members[place == group]))
        return found

    def bands(self, groups: Sequence[Group], empty: str, mark: str = "") -> ChartModel:
        """Medians and quantiles of the series."""
        choices = self.choices
        log_risk = choices.series == RISK and choices.log_y
        text = log_risk_text if log_risk else _plain
        shown = [replace(group, levels=self._as_drawn(group.levels)) for group in groups]
        curves, bands = drawn(shown, choices.x, text)
        name = {True: "risk log₁₀ L", False: "risk L"}[log_risk] if choices.series == RISK else None
        by = "" if choices.by is None else f" by {self.look.dimensions[choices.by].short}"
        return ChartModel(
            title=f"{mark}{name or choices.series}{by}  {what_is_drawn(groups)}",
            curves=curves,
            bands=bands,
            x_kind=Kind.LOG if choices.log_x else Kind.LINEAR,
            y_kind=Kind.POWER if log_risk else Kind.LINEAR,
            least=LEAST_DECADES if log_risk else 0.0,
            x_name="step",
            cursor=choices.x,
            readout="" if choices.x is None else f"step {choices.x:,.0f}",
            empty=empty,
        )

    def _as_drawn(self, values: Floats) -> Floats:
        if self.choices.series != RISK:
            return values
        with np.errstate(over="ignore"):
            return values / LN10 if self.choices.log_y else np.exp(values)


def read_groups(
    step: Floats, values: Floats, groups: Sequence[tuple[str, Array]], stopped: Callable[[], bool]
) -> list[Group]:
    """Quantiles of a series (M, T) in groups of members; ends early once nobody waits for it."""
    found = []
    for label, members in groups:
        if stopped():
            break
        found.append(group_of(label, step, values[members]))
    return found


def _best_bands(choices: int) -> tuple[bool, int]:
    """Sorts dimensions: those of many choices, but of no more than there are colours."""
    return choices > MOST_GROUPS, choices if choices > MOST_GROUPS else -choices


def _plain(value: float) -> str:
    return number_text(value, ".4g")
