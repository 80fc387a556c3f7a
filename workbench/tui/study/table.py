"""The table of members: columns, order, and the filter; rows are made when they come into sight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from workbench.arrays import Array
from workbench.protocol.status import status_of
from workbench.record.filter import Fields, NumberField, TextField, read_terms
from workbench.tui.study.look import StudyLook, choice_text
from workbench.tui.study.outcomes import Measured
from workbench.tui.widgets.listing import Cell, ListColumn, Listed
from workbench.tui.widgets.numbers import thousands

FIXED = ("member", "state")
SHOWN = ("risk", "saddles", "target", "margin", "escape step", "step")
"""Outcomes with a column, most telling first; the one asked for comes before them."""


@dataclass(frozen=True, eq=False)
class MemberColumn:
    """A column: title, what a member's cell says, and the numbers or words it is sorted by (M)."""

    key: str
    title: str
    cell: Callable[[int], Cell]
    order: Array
    rank: int
    right: bool = True


class MemberRows(Sequence[tuple[Cell, ...]]):
    """Rows of chosen members, in order."""

    def __init__(self, columns: Sequence[MemberColumn], members: Array) -> None:
        self.columns, self.members = tuple(columns), members

    def __len__(self) -> int:
        return len(self.members)

    @overload
    def __getitem__(self, at: int) -> tuple[Cell, ...]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[tuple[Cell, ...]]: ...
    def __getitem__(self, at: int | slice) -> tuple[Cell, ...] | Sequence[tuple[Cell, ...]]:
        if isinstance(at, slice):
            return [self._row(int(member)) for member in self.members[at]]
        return self._row(int(self.members[at]))

    def _row(self, member: int) -> tuple[Cell, ...]:
        return tuple(column.cell(member) for column in self.columns)


def columns_of(
    look: StudyLook, found: dict[str, Measured], asked: str, brief: bool
) -> list[MemberColumn]:
    """All columns: number, state, the grid's keys, what is asked, other outcomes, and why it ended.

    `brief`: of the state its glyph alone.
    """
    numbers = np.arange(look.count)
    columns = [
        MemberColumn("member", "#", lambda k: (str(k), "text"), numbers, 0),
        MemberColumn(
            "state",
            "" if brief else "state",
            lambda k: _state(look, k, brief),
            _order(look.status),
            1,
            False,
        ),
    ]
    for place, dimension in enumerate(look.dimensions):
        columns += [_setting(look, key, place) for key in dimension.keys]
    for place, key in enumerate(dict.fromkeys((asked, *SHOWN))):
        if key in found and key != "state":
            columns.append(_outcome(found[key], 2 + place))
    reasons = look.reason
    if any(reasons):
        columns.append(
            MemberColumn(
                "reason", "reason", lambda k: (reasons[k], "dim"), _order(reasons), 9, False
            )
        )
    return columns


def _state(look: StudyLook, member: int, brief: bool) -> Cell:
    word = str(look.status[member])
    state = status_of(word)
    glyph = {"waiting": "○", "missing": "·"}.get(word, state.glyph)
    return glyph if brief else f"{glyph} {word}", state.ink


def _setting(look: StudyLook, key: str, place: int) -> MemberColumn:
    def cell(member: int) -> Cell:
        return choice_text(look.settings[member].get(key, "")), "bright"

    return MemberColumn(key, key.split(".")[-1], cell, look.place[:, place], 1)


def _outcome(of: Measured, rank: int) -> MemberColumn:
    def cell(member: int) -> Cell:
        value = float(of.values[member])
        ink = of.words[int(value)][1] if of.words and not math.isnan(value) else "text"
        return of.said(value), "dim" if math.isnan(value) else ink

    return MemberColumn(of.key, _title(of.key), cell, of.values, rank, not of.words)


def _title(key: str) -> str:
    return {"risk": "log₁₀L", "margin": "γ̄"}.get(key, key)


def _order(words: Array) -> Array:
    return np.unique(words.astype(str), return_inverse=True)[1]


def sorted_members(members: Array, column: MemberColumn, reverse: bool) -> Array:
    """Members in the order of a column, ties by number; what is not known comes last either way."""
    values = np.asarray(column.order, dtype=np.float64)[members]
    order = np.argsort(-values if reverse else values, kind="stable")
    return members[order]


def listed(columns: Sequence[MemberColumn], members: Array, key: str, reverse: bool) -> Listed:
    """The rows for the widget, with the sort in the title of its column."""
    heads = tuple(
        ListColumn(
            f"{column.title}{('▼' if reverse else '▲') if column.key == key else ''}",
            0 if column.key == key else column.rank,
            column.right,
        )
        for column in columns
    )
    return Listed(heads, MemberRows(columns, members))


def member_filter(
    text: str, look: StudyLook, found: dict[str, Measured]
) -> tuple[Callable[[int], bool], str]:
    """Which members fit `init.scale>=1e-2 state=failed saddles>2`, and what makes no sense in it."""
    fields: Fields[int] = {
        "state": TextField(lambda k: (str(look.status[k]),)),
        "reason": TextField(lambda k: (look.reason[k],)),
        "member": NumberField(lambda k: k),
    }
    for key, of in found.items():
        if key != "state":
            fields[key.replace(" ", "_")] = _field(of)
    return read_terms(
        text,
        fields,
        keys=lambda k: look.settings[k],
        known=tuple(key for dimension in look.dimensions for key in dimension.keys),
        words=lambda k: (str(k), str(look.status[k]), look.reason[k]),
    )


def _field(of: Measured) -> TextField[int] | NumberField[int]:
    if of.words:
        return TextField(lambda k: () if np.isnan(of.values[k]) else (of.said(of.values[k]),))
    return NumberField(lambda k: None if np.isnan(of.values[k]) else float(of.values[k]))


def detail(look: StudyLook, member: int) -> list[Cell]:
    """A member in a line: its settings, and why it ended."""
    settings = "  ".join(
        f"{key} {choice_text(value)}" for key, value in look.settings[member].items()
    )
    parts: list[Cell] = [(f"member {thousands(member)}  {settings}", "bright")]
    reason = str(look.reason[member])
    if reason:
        parts.insert(0, (f"{look.status[member]}: {reason}  ", "min"))
    return parts
