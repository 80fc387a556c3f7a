"""Records and events a recording has taken and not yet written."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array
from workbench.protocol.inspections import ForecastOutcome, RecordedInspection
from workbench.record.column import Column
from workbench.record.schema import STEP
from workbench.record.texts import KIND_BYTES, TEXT_BYTES, truncated

BUFFER_RECORDS = 4096
BUFFER_SECONDS = 0.25
BUFFER_BYTES = 8 * 1024 * 1024


class Buffer:
    """What waits for the next commit.

    Attributes:
        parts: the rows as they came, each a dict of arrays (T, …) by series.
        events: (step, kind, text), the texts as UTF-8 of bounded length.
        kept: inspections and outcomes of forecasts, in their order.
        rows: the number of records in `parts`.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: it was written."""
        self.parts: list[dict[str, Array]] = []
        self.events: list[tuple[int, bytes, bytes]] = []
        self.kept: list[RecordedInspection | ForecastOutcome] = []
        self.rows = 0
        self._bytes = 0
        self._since = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether a bound is reached: 4,096 records, 8 MiB, or a quarter second."""
        return bool(self.rows) and (
            self.rows >= BUFFER_RECORDS
            or self._bytes >= BUFFER_BYTES
            or time.monotonic() - self._since >= BUFFER_SECONDS
        )

    def add(self, rows: dict[str, Array]) -> None:
        """Take rows that were checked and are nobody else's."""
        if not self.rows:
            self._since = time.monotonic()
        self.parts.append(rows)
        self.rows += len(rows[STEP])
        self._bytes += sum(values.nbytes for values in rows.values())

    def add_event(self, step: int, kind: str, text: str) -> None:
        """Take an event, its texts cleaned and cut."""
        self.events.append((int(step), truncated(kind, KIND_BYTES), truncated(text, TEXT_BYTES)))

    def series(self, name: str) -> Array:
        """All waiting rows of one series."""
        found = [rows[name] for rows in self.parts]
        return found[0] if len(found) == 1 else np.concatenate(found)


def checked_rows(
    rows: Mapping[str, Array], columns: Mapping[str, Column], last_step: int
) -> dict[str, Array]:
    """A copy of `rows` in the file's types.

    Raises:
        ValueError: a series is missing, unknown or of the wrong shape, or steps do not rise.
    """
    if rows.keys() != columns.keys():
        odd = sorted(rows.keys() ^ columns.keys())
        raise ValueError(f"the rows and the file differ in the series {', '.join(odd)}")
    count = len(rows[STEP])
    taken: dict[str, Array] = {}
    for name, column in columns.items():
        values = np.array(rows[name], dtype=column.dtype, order="C")
        wanted = (count, *column.row)
        if values.shape != wanted:
            raise ValueError(f"series '{name}' has rows of shape {values.shape}, not {wanted}")
        taken[name] = values
    steps = taken[STEP]
    if count and (steps[0] <= last_step or np.any(np.diff(steps) <= 0)):
        raise ValueError(f"steps must rise; the last one recorded is {last_step}")
    return taken
