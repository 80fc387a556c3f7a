"""Kept inspections as rows of the file's tables, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.protocol.inspections import (
    ForecastOutcome,
    NeuronColumns,
    PointColumns,
    RecordedInspection,
)
from workbench.record.tables import DIRECTION, GROUP, LONG_TEXT, TABLES, columns_of
from workbench.record.texts import truncated
from workbench.record.values import text_value

Columns = dict[str, Array]
Tables = dict[str, Columns]


def rows_of(kept: RecordedInspection, row: int, width: int | None) -> Tables:
    """The rows of an inspection that will stand in row `row` of its table, in the file's types.

    Directions of fewer than `width` numbers have NaN behind them: a file keeps the place that it began with.

    Raises:
        ValueError: its KKT directions have more than `width` numbers.
    """
    points = vars(kept.points)
    count = len(kept.points.value)
    own_width = kept.points.direction.shape[1]
    if width is not None and own_width > width:
        raise ValueError(
            f"KKT directions have {own_width} numbers each, and the file keeps {width}"
        )
    if width is not None:
        # None at all where none were found, or the file they were kept in before had no place for them.
        room = np.full((count, width - own_width), np.nan)
        points = {**points, DIRECTION: np.hstack([kept.points.direction, room])}
    own = {name: [value] for name, value in vars(kept).items()}
    tables: Tables = {
        GROUP: _typed(GROUP, own, 1, row, None),
        "points": _typed("points", points, count, row, width),
        "neurons": _typed("neurons", vars(kept.neurons), len(kept.neurons.index), row, None),
    }
    if kept.outcome is not None:
        tables["outcomes"] = outcome_rows(kept.outcome, row)
    return tables


def outcome_rows(outcome: ForecastOutcome, row: int) -> Columns:
    """The row of an outcome of the inspection in row `row`."""
    return _typed("outcomes", {k: [v] for k, v in vars(outcome).items()}, 1, row, None)


def _typed(
    table: str, values: Mapping[str, Any], count: int, row: int, width: int | None
) -> Columns:
    """Columns of `count` rows in the types of the file."""
    columns: Columns = {}
    for spec in columns_of(table, width):
        if spec.name == "inspection":
            columns[spec.name] = np.full(count, row, dtype=np.int64)
        elif spec.is_text:
            size = int(spec.dtype[1:])
            texts = [truncated(str(text), size) for text in values[spec.name]]
            columns[spec.name] = np.array(texts, dtype=f"S{size}")
        else:
            columns[spec.name] = np.array(values[spec.name], dtype=spec.dtype, order="C")
    return columns


def joined(parts: Sequence[Tables]) -> Tables:
    """The tables of several inspections, one behind the other; a table without rows is absent."""
    found: Tables = {}
    for table in TABLES:
        columns = [part[table] for part in parts if table in part]
        if columns:
            names = columns[0]
            found[table] = {name: np.concatenate([c[name] for c in columns]) for name in names}
    return found


def tables_of(inspections: Sequence[RecordedInspection], width: int | None) -> Tables:
    """The tables of a file that holds these inspections, in this order."""
    return joined([rows_of(kept, row, width) for row, kept in enumerate(inspections)])


def inspections_in(tables: Tables) -> list[RecordedInspection]:
    """The inspections in a file's committed rows, by rising step; of two of one step the later row.

    Columns that are missing raise KeyError, rows that belong to none are left out.
    """
    own = tables[GROUP]
    latest = {int(step): row for row, step in enumerate(own["step"])}
    outcomes = {int(row): at for at, row in enumerate(tables["outcomes"]["inspection"])}
    found = []
    for step in sorted(latest):
        row = latest[step]
        kept = _inspection(own, row, tables)
        if row in outcomes:
            kept = replace(kept, outcome=_outcome(tables["outcomes"], outcomes[row], step))
        found.append(kept)
    return found


def _inspection(own: Columns, row: int, tables: Tables) -> RecordedInspection:
    values: dict[str, Any] = {}
    for spec in TABLES[GROUP]:
        cell = own[spec.name][row]
        values[spec.name] = text_value(cell, LONG_TEXT) if spec.is_text else cell.item()
    points = _rows(tables["points"], row)
    neurons = _rows(tables["neurons"], row)
    kinds = tuple(text_value(kind, 8) for kind in points["kind"])
    direction = points.get(DIRECTION, np.zeros((len(kinds), 0)))
    known = np.isfinite(direction).any(axis=0)
    if known.any():
        direction = direction[:, : int(np.flatnonzero(known)[-1]) + 1]
    numbers = {n: points[n] for n in ("value", "multiplier", "residual", "basin", "sign")}
    columns = {n: v.astype(bool) if n == "small" else v for n, v in neurons.items()}
    return RecordedInspection(
        **{**values, "complete": values["complete"] == 1},
        points=PointColumns(direction=direction, kind=kinds, **numbers),
        neurons=NeuronColumns(**{spec.name: columns[spec.name] for spec in TABLES["neurons"][1:]}),
    )


def _rows(columns: Columns, row: int) -> Columns:
    """The rows that belong to an inspection."""
    mine = columns["inspection"] == row
    return {name: values[mine] for name, values in columns.items()}


def _outcome(columns: Columns, at: int, made: int) -> ForecastOutcome:
    values: dict[str, Any] = {"made": made}
    for spec in TABLES["outcomes"][1:]:
        cell = columns[spec.name][at]
        values[spec.name] = text_value(cell, int(spec.dtype[1:])) if spec.is_text else cell.item()
    return ForecastOutcome(**values)
