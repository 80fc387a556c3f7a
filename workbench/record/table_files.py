"""Writing and reading the tables of kept inspections in an HDF5 file.

Datasets are opened for each commit that has something for them and let go after its flush: held open,
they would take their time at every flush of a recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.protocol.inspections import ForecastOutcome, RecordedInspection
from workbench.record.column import Column
from workbench.record.inspections import (
    Tables,
    inspections_in,
    joined,
    outcome_rows,
    rows_of,
    tables_of,
)
from workbench.record.plain import dataset_at
from workbench.record.tables import (
    COUNTER,
    GROUP,
    TABLES,
    columns_of,
    has_tables,
    path_of,
    width_in,
)

Waiting = RecordedInspection | ForecastOutcome
Counts = tuple[int, ...]
NONE: Counts = (0,) * len(TABLES)


def counts_in(file: Any) -> Counts:
    """Committed rows of each table; zeros in a file without them."""
    if not has_tables(file):
        return NONE
    return tuple(int(count) for count in dataset_at(file, f"{GROUP}/{COUNTER}")[()])


def read_tables(file: Any, counts: Counts) -> Tables:
    """The committed rows of each table; {} in a file without them. A column that the file is too old for is
    one of unknown numbers.

    Raises:
        ValueError, KeyError: a table is shorter than its count, or a column is missing.
    """
    if not has_tables(file):
        return {}
    width = width_in(file)
    tables: Tables = {}
    for table, count in zip(TABLES, counts, strict=True):
        columns: dict[str, Array] = {}
        for spec in columns_of(table, width):
            dataset = dataset_at(file, f"{path_of(table)}/{spec.name}")
            if dataset is None and spec.later:
                columns[spec.name] = np.full(count, spec.unknown, dtype=spec.dtype)
                continue
            if dataset is None:
                raise KeyError(f"its {table} have no '{spec.name}'")
            if not 0 <= count <= dataset.shape[0]:
                raise ValueError(
                    f"it counts {count} {table} and '{spec.name}' holds {dataset.shape[0]}"
                )
            columns[spec.name] = np.asarray(dataset[:count])
        tables[table] = columns
    return tables


def read_inspections(file: Any, counts: Counts) -> list[RecordedInspection]:
    """The inspections of a file; [] where it has no tables. Raises as `read_tables`."""
    tables = read_tables(file, counts)
    return inspections_in(tables) if tables else []


def fill_tables(file: Any, inspections: Sequence[RecordedInspection]) -> None:
    """Write the inspections to the empty tables of a file that is being built."""
    tables = tables_of(inspections, width_in(file))
    counts = []
    for table in TABLES:
        columns = tables.get(table, {})
        for name, values in columns.items():
            dataset = file[path_of(table)][name]
            dataset.resize(len(values), axis=0)
            dataset[:] = _stored(values, dataset.dtype)
            file.flush()  # while the dataset is held: let go, a failed write would be ignored
        counts.append(len(next(iter(columns.values()), ())))
    file[GROUP][COUNTER][...] = counts


class TableWriter:
    """Appends to the tables of an open recording.

    Attributes:
        counts: committed rows of each table.
        supported: whether the file has the tables; without them everything is dropped.
    """

    def __init__(self, file: Any) -> None:
        self._file: Any = file
        self.supported = has_tables(file)
        self.counts = counts_in(file)
        self._held: list[Column] = []
        if not self.supported:
            return
        self._width = width_in(file)
        self._counter: Any = file[GROUP][COUNTER]
        steps = file[GROUP]["step"][: self.counts[0]]
        self._row_of = {int(step): row for row, step in enumerate(steps)}

    def write(self, waiting: Sequence[Waiting]) -> Counts:
        """Append behind the committed rows, not counted yet; the counts to write after a flush."""
        if not (self.supported and waiting):
            return self.counts
        parts: list[Tables] = []
        row, row_of = self.counts[0], dict(self._row_of)
        for item in waiting:
            if isinstance(item, RecordedInspection):
                parts.append(rows_of(item, row, self._width))
                row_of[item.step] = row
                row += 1
            elif item.made in row_of:
                parts.append({"outcomes": outcome_rows(item, row_of[item.made])})
        tables = joined(parts)
        added = [self._append(table, tables.get(table, {})) for table in TABLES]
        return tuple(count + more for count, more in zip(self.counts, added, strict=True))

    def _append(self, table: str, columns: Mapping[str, Array]) -> int:
        start = self.counts[list(TABLES).index(table)]
        for name, values in columns.items():
            column = Column(self._file[path_of(table)][name])
            column.write(start, _stored(values, column.dtype))
            self._held.append(column)
        return len(next(iter(columns.values()), ()))

    def count(self, counts: Counts) -> None:
        """Write the counts; they are on their way with the next flush."""
        self._held.clear()
        if not self.supported or counts == self.counts:
            return
        self._counter[...] = np.array(counts, dtype=np.int64)
        self.counts = counts
        steps = self._file[GROUP]["step"][: counts[0]]
        self._row_of = {int(step): row for row, step in enumerate(steps)}

    def until(self, step: int) -> Counts:
        """The counts up to the first inspection, and the first outcome, past `step`."""
        if not self.supported:
            return self.counts
        own = _first_past(self._file[GROUP]["step"][: self.counts[0]], step)
        kept = [own]
        for table, count in list(zip(TABLES, self.counts, strict=True))[1:]:
            group = self._file[path_of(table)]
            rows = _first_past(group["inspection"][:count], own - 1)
            if table == "outcomes":
                rows = min(rows, _first_past(group["step"][:count], step))
            kept.append(rows)
        return tuple(kept)


def _stored(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values in a dataset's very type: its texts say that they are UTF-8, which HDF5 asks for and no
    conversion of an array adds."""
    stored = np.empty(values.shape, dtype=dtype)
    stored[...] = values
    return stored


def _first_past(values: Array, bound: int) -> int:
    """Index of the first value above a bound, or how many there are."""
    past = np.asarray(values) > bound
    return int(past.argmax()) if past.any() else len(past)
