"""What the page of a study shows, as plain arrays: read from its folder at once, never changed after.

M members, D dimensions of the grid, S saddles of all members together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import Array
from workbench.errors import clean_text

if TYPE_CHECKING:
    from workbench.study.outcome import Outcome, Saddle
    from workbench.study.stored import StoredStudy

ENDED = ("finished", "stalled", "diverged")
"""States of members that have nothing left to do."""


@dataclass(frozen=True)
class Dimension:
    """A dimension of the grid: its keys (several go together), named by the first, and every choice's label
    and number (its place where it is none)."""

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        """The first key."""
        return self.keys[0]

    @property
    def short(self) -> str:
        """Its last part, as `scale` of `init.scale`."""
        return self.name.split(".")[-1]


@dataclass(frozen=True, eq=False)
class Saddles:
    """Saddles of all members, each member's in order. `member` (S), `order` (S) from 0, `step`, `log_risk`,
    `escape_step`, `target_value` (S), NaN where unknown; `target_kind` (S), empty without a target;
    `direction` (S, p) of the target, NaN without one. `point_direction` (K, p), `point_value` (K): the KKT
    points of one saddle, to stand for all."""

    member: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    order: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    step: Array = field(default_factory=lambda: np.empty(0))
    log_risk: Array = field(default_factory=lambda: np.empty(0))
    escape_step: Array = field(default_factory=lambda: np.empty(0))
    target_kind: Array = field(default_factory=lambda: np.empty(0, dtype=object))
    target_value: Array = field(default_factory=lambda: np.empty(0))
    direction: Array = field(default_factory=lambda: np.empty((0, 0)))
    point_direction: Array = field(default_factory=lambda: np.empty((0, 0)))
    point_value: Array = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, eq=False)
class StudyLook:
    """A study as it was when it was last read.

    `place` (M, D): every member's choice in each dimension, −1 where the grid has it no more. `status`,
    `reason` (M) words, `step` (M), NaN for members not begun. `last` and `end` by name, (M), numbers or
    words; `angles` and `norms` of all neurons at the end, (M, H), where they were kept. `series` are those
    kept. `steps_done` of `steps_total` were taken by all members.
    """

    folder: Path
    name: str
    state: str
    dimensions: tuple[Dimension, ...]
    place: Array
    settings: tuple[Mapping[str, Any], ...]
    status: Array
    reason: Array
    step: Array
    last: Mapping[str, Array]
    end: Mapping[str, Array]
    saddles: Saddles
    angles: Array | None = None
    norms: Array | None = None
    series: tuple[str, ...] = ()
    steps_done: int = 0
    steps_total: int = 0

    @property
    def count(self) -> int:
        """M."""
        return len(self.settings)

    def how_many(self, *states: str) -> int:
        """Members in any of these states."""
        return int(np.isin(self.status, states).sum())

    @property
    def over(self) -> Array:
        """Which members have come to an end, (M)."""
        return np.isin(self.status, ENDED)

    @property
    def live(self) -> bool:
        """Whether somebody drives it now."""
        return self.state == "running"


def look_at(study: StoredStudy) -> StudyLook:
    """Read all that the page shows at once; raises StorageError."""
    grid, outcomes = study.grid, study.outcomes()
    progress = study.progress()
    settings = tuple(outcome.settings for outcome in outcomes)
    place = np.full((len(settings), len(grid.dimensions)), -1, dtype=np.int64)
    for k, of in enumerate(settings):
        found = grid.index(of)
        if found is not None:
            place[k] = found
    return StudyLook(
        folder=study.folder,
        name=clean_text(study.config.name, 80) or study.folder.name,
        state=str(study.status),
        dimensions=tuple(_dimension(d.keys, d.values) for d in grid.dimensions),
        place=place,
        settings=settings,
        status=np.array([str(outcome.status) for outcome in outcomes], dtype=object),
        reason=np.array(
            [clean_text(outcome.reason or "", 300) for outcome in outcomes], dtype=object
        ),
        step=_numbers([outcome.last_step for outcome in outcomes]),
        last=_columns([outcome.last for outcome in outcomes]),
        end=_columns([outcome.end for outcome in outcomes]),
        saddles=_saddles(outcomes),
        angles=_neurons(outcomes, "neuron_angle"),
        norms=_neurons(outcomes, "neuron_norm"),
        series=study.series_names(),
        steps_done=progress.steps_done,
        steps_total=progress.steps_total,
    )


def _dimension(keys: Sequence[str], values: Sequence[Sequence[Any]]) -> Dimension:
    first = [choice[0] for choice in values]
    numbers = tuple(
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float(k)
        for k, value in enumerate(first)
    )
    return Dimension(tuple(keys), tuple(map(choice_text, first)), numbers)


def choice_text(value: Any) -> str:
    """A setting in few characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        plain = f"{value:g}"
        mantissa, _, exponent = f"{value:.5e}".partition("e")
        short = f"{float(mantissa):g}e{int(exponent)}" if math.isfinite(value) else plain
        return plain if len(plain) <= len(short) else short
    return clean_text(str(value), 40)


def _numbers(values: Sequence[Any]) -> Array:
    return np.array(
        [np.nan if value is None else float(value) for value in values], dtype=np.float64
    )


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """Mappings as columns, (M): numbers with NaN for what a member lacks, else words, empty for none."""
    rows = [row or {} for row in rows]
    names = dict.fromkeys(name for row in rows for name in row)
    found: dict[str, Array] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if any(isinstance(value, str) for value in values):
            found[name] = np.array([clean_text(str(v or ""), 60) for v in values], dtype=object)
        elif all(value is None or isinstance(value, int | float) for value in values):
            found[name] = _numbers(values)
    return found


def _neurons(outcomes: Sequence[Outcome], name: str) -> Array | None:
    """A series of one number a neuron at every member's end, (M, H), NaN beyond its own; None: not kept."""
    rows = [np.atleast_1d((outcome.last or {}).get(name, np.nan)) for outcome in outcomes]
    widest = max((row.size for row in rows if row.ndim == 1), default=1)
    found = np.full((len(rows), widest), np.nan)
    for k, row in enumerate(rows):
        if row.ndim == 1:
            found[k, : row.size] = row
    return found if np.isfinite(found).any() else None


def _saddles(outcomes: Sequence[Outcome]) -> Saddles:
    found: list[tuple[int, int, Saddle]] = [
        (k, order, saddle)
        for k, outcome in enumerate(outcomes)
        for order, saddle in enumerate(outcome.saddles)
    ]
    if not found:
        return Saddles()
    _, _, first = found[0]
    size = np.size(first.target_direction)
    direction = np.full((len(found), size), np.nan)
    for row, (_, _, saddle) in enumerate(found):
        if saddle.target >= 0 and np.size(saddle.target_direction) == size:
            direction[row] = saddle.target_direction
    return Saddles(
        member=np.array([k for k, _, _ in found], dtype=np.int64),
        order=np.array([order for _, order, _ in found], dtype=np.int64),
        step=_numbers([s.step for *_, s in found]),
        log_risk=_numbers([s.log_risk for *_, s in found]),
        escape_step=_numbers([s.escape_step for *_, s in found]),
        target_kind=np.array([s.target_kind for *_, s in found], dtype=object),
        target_value=_numbers([s.target_value for *_, s in found]),
        direction=direction,
        point_direction=np.asarray(first.point_direction, dtype=np.float64),
        point_value=np.asarray(first.point_value, dtype=np.float64),
    )
