"""Numbers, sizes and times as short text for tables; JSON without values JSON does not have."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from workbench.protocol.status import status_of

BLOCKS = "▁▂▃▄▅▆▇█"
ABSENT = "–"
INK_STYLES = {"good": "green", "warn": "yellow", "min": "red", "cyan": "cyan", "dim": "dim"}
"""The palette's colours of a status as a terminal's own."""
LEAST_SPAN = 0.1


def status_style(status: str) -> str:
    """The style of a run's status in a table."""
    return INK_STYLES[status_of(status).ink]


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Values as blocks of eight heights, evenly thinned; a gap where a value is not finite.

    Values that span less than `LEAST_SPAN` (of a log-risk: 10 %) are drawn level.
    """
    if len(values) == 0:
        return ""
    count = min(width, len(values))
    picks = [round(i * (len(values) - 1) / max(1, count - 1)) for i in range(count)]
    shown = [float(values[i]) for i in picks]
    finite = [v for v in shown if math.isfinite(v)]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    top = len(BLOCKS) - 1
    return "".join(
        BLOCKS[round((v - low) / span * top) if span >= LEAST_SPAN else top // 2]
        if math.isfinite(v)
        else " "
        for v in shown
    )


def number(value: float | None, digits: int = 4) -> str:
    """A number with that many significant digits; a dash where there is none."""
    if value is None:
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def count(value: int | None) -> str:
    """A whole number with separators; a dash where there is none."""
    return ABSENT if value is None else f"{value:,}"


def progress(step: int | None, steps: int | None) -> str:
    """`step/steps`."""
    return f"{count(step)}/{count(steps)}"


def size(n_bytes: int) -> str:
    """Bytes as B, KB, MB or GB of a thousand each."""
    value = float(n_bytes)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def moment(seconds: float) -> str:
    """Seconds since 1970 as local date and time to the minute; a dash for 0."""
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}" if seconds > 0 else ABSENT


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> str:
    """Aligned columns two spaces apart, for pipes and files; `right` names right-aligned ones."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(w) if i in right else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    return "\n".join(line(row) for row in [header, *rows])


def finite(value: Any) -> Any:
    """`value` with every number JSON cannot hold (NaN, ±∞) as null, through lists and tables."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()
