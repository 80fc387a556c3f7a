"""How long members stay at a saddle, against the scale that they start from.

Small weights grow as d‖w‖/dt = L·N·‖w‖^{L−1}, N the correlation with the residual (KH24 Theorem 5.1 and
Corollary 5.4.1). From a start of scale δ they leave after a time ~ ln(1/δ) where L = 2 and ~ 1/δ^{L−2}
where L > 2: a line over ln δ, or a line of slope 2 − L where both axes are logarithmic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xarray import Dataset

from workbench.arrays import Array, Float
from workbench.errors import BadInput, clean_text, unknown
from workbench.study.line import Line, line_through
from workbench.study.values import (
    ENDED,
    SADDLE,
    UNFINISHED,
    grid_dims,
    is_text,
    status_of_members,
    values_of,
)

SCALE, ESCAPE = "init.scale", "saddle_escape_step"


@dataclass(frozen=True)
class Census:
    """What became of members: how many escaped, and of those that did not, why there is no time.

    `stayed`: ended where they were. `unmet`: ended without meeting the saddle. `broken`: diverged or failed.
    `unfinished`: not at their end.
    """

    escaped: int = 0
    stayed: int = 0
    unmet: int = 0
    broken: int = 0
    unfinished: int = 0

    @property
    def total(self) -> int:
        """All members."""
        return self.escaped + self.stayed + self.unmet + self.broken + self.unfinished

    def __add__(self, other: Census) -> Census:
        return Census(
            self.escaped + other.escaped,
            self.stayed + other.stayed,
            self.unmet + other.unmet,
            self.broken + other.broken,
            self.unfinished + other.unfinished,
        )

    def sentence(self) -> str:
        """N, and every kind of member that has no time."""
        rest = [
            f"{count:,} {what}"
            for count, what in (
                (self.stayed, "never escaped"),
                (self.unmet, "met no such saddle"),
                (self.broken, "diverged or failed"),
                (self.unfinished, "not at their end"),
            )
            if count
        ]
        said = f"N = {self.escaped:,} of {self.total:,}"
        return f"{said}; not in the fit: {', '.join(rest)}" if rest else said


@dataclass(frozen=True, eq=False)
class EscapeTimes:
    """Escape times of members by what they start from.

    `key`: the grid's key on the horizontal axis. `start` (K): its values, ascending and positive. `times`: K
    arrays, one a value, of the times of those members that escaped. `census`: K counts.
    """

    key: str
    name: str
    start: Float[Array, " K"]
    times: tuple[Array, ...]
    census: tuple[Census, ...]

    @property
    def all(self) -> Census:
        """Over all values of the key."""
        return sum(self.census, Census())

    def points(self) -> tuple[Array, Array]:
        """(n,) value of the key and time of every member that escaped."""
        x = np.repeat(self.start, [len(times) for times in self.times])
        return x, np.concatenate([*self.times, np.empty(0)])


@dataclass(frozen=True)
class EscapeFit:
    """A line through the means and one through all members, None where too few points are known.

    `power`: ln t = a + b ln δ, means of ln t; b is 2 − L where L > 2. Otherwise t = a + b ln δ, means of t.
    """

    power: bool
    means: Line | None
    members: Line | None

    def curve(self, line: Line, x: Array) -> Array:
        """Times on the line at values x > 0 of the key."""
        heights = line(np.log(x))
        return np.exp(heights) if self.power else heights


def escape_times(
    dataset: Dataset, key: str = SCALE, name: str = ESCAPE, saddle: int = 1
) -> EscapeTimes:
    """Times of a study's members by the values of one of its keys; other keys are taken together.

    Args:
        dataset: what `study_dataset` gives.
        key: of the grid, with positive numbers as values.
        name: an outcome that is a time: positive numbers.
        saddle: which saddle they leave, from 1, where the outcome is a saddle's.

    Raises:
        BadInput: the grid has no such key, its values are no positive numbers, or there is no such outcome.
    """
    keys = [str(name) for name in dataset.coords if dataset[name].ndim == 1]
    keys = [name for name in keys if dataset[name].dims[0] in grid_dims(dataset)]
    if key not in keys:
        raise unknown("key", key, keys, "the study's grid")
    values = dataset[key].values
    numbers = values.dtype.kind in "iuf"
    if not numbers or not (np.isfinite(values) & (values > 0)).all():
        raise BadInput(
            f"escape times are fitted over a key with positive numbers, and {clean_text(key, 80)} has others."
        )
    found = values_of(dataset, name, saddle)
    if is_text(found):
        raise BadInput(f"'{clean_text(name, 80)}' is text, and no time.")
    # The key's axis first, all others as one.
    axis = found.dims.index(dataset[key].dims[0])
    time = np.moveaxis(np.asarray(found.values, dtype=np.float64), axis, 0)
    status = np.moveaxis(status_of_members(dataset), axis, 0)
    met = np.ones(time.shape, dtype=bool)
    if SADDLE in dataset[name].dims:
        met = np.moveaxis(values_of(dataset, "saddle_step", saddle).notnull().values, axis, 0)
    start = np.unique(values)
    times, census = [], []
    for value in start:
        here = values == value
        t = time[here].ravel()
        escaped = np.isfinite(t) & (t > 0)
        times.append(t[escaped])
        census.append(_census(escaped, met[here].ravel(), status[here].ravel()))
    return EscapeTimes(key, name, start.astype(np.float64), tuple(times), tuple(census))


def _census(escaped: Array, met: Array, status: Array) -> Census:
    """Counts of members, (n,) each."""
    ended = np.isin(status, ENDED) & ~escaped
    unfinished = np.isin(status, UNFINISHED) & ~escaped
    return Census(
        int(escaped.sum()),
        int((ended & met).sum()),
        int((ended & ~met).sum()),
        int((~escaped & ~ended & ~unfinished).sum()),
        int(unfinished.sum()),
    )


def fitted(found: EscapeTimes, *, power: bool) -> EscapeFit:
    """The law of the times: a power of the key's value (`power`), or linear in its logarithm."""
    x, t = found.points()
    height = np.log(t) if power else t
    known = [k for k, times in enumerate(found.times) if len(times)]
    means = [float(np.mean(np.log(found.times[k]) if power else found.times[k])) for k in known]
    return EscapeFit(
        power,
        line_through(np.log(found.start[known]), np.array(means)),
        line_through(np.log(x), height),
    )
