"""Looks into the saddles of a run as they are told, and holds every forecast against what happens.

A forecast stays open until the first small neuron reaches its radius ("left"), twice the latest time that
it names has passed without one ("late"), or θ is moved by hand ("void"). What it says depends on the
records alone, never on how they came in chunks, so a run that is stopped or killed and resumed tells the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from workbench.arrays import Array, Int
from workbench.inspector.compare import Departure, compare
from workbench.inspector.forecast import EscapeForecast, NeuronForecast
from workbench.inspector.forecast_words import late_words, left_words, made_words, void_words
from workbench.inspector.inspect import Inspection
from workbench.inspector.recording import recorded_inspection
from workbench.protocol.events import Event, Forecast, Inspected, SaddleFound
from workbench.protocol.inspections import ForecastOutcome, RecordedInspection
from workbench.theory.ncf.result import KktPoint

OVERDUE = 2.0
"""Times its own latest waiting time after which a forecast that did not come true is closed."""
MOST_AT_SADDLES = 200
"""Most inspections that a run makes by itself."""
FOLLOWED_SERIES = ("step", "time", "neuron_norm", "neuron_direction")

Rows = Mapping[str, Array]
Look = Callable[[Array, int], Inspection | str]
"""(θ (P), step) -> inspection, bounded in time, or why there is none."""

FAILURES = (ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError)
"""What numerics and allocations raise: an inspection that fails must not end the run."""


class ForecastLedger:
    """The engine's `SaddleObserver`, called in its thread.

    `norms` (k), `directions` (m): the neurons whose norms and directions are recorded, rising; empty
    where none are. `before`: recorded rows around and after a step, for inspections of an earlier
    state. `last`: the last recorded row, `known`: what the file keeps, of a run that is resumed.
    """

    def __init__(
        self,
        look: Look,
        norms: Int[Array, " k"],
        directions: Int[Array, " m"],
        before: Callable[[int], Rows | None],
        last: Rows | None = None,
        known: Iterable[RecordedInspection] = (),
    ) -> None:
        self.look, self.norms, self.directions, self.before = look, norms, directions, before
        self.open: dict[int, RecordedInspection] = {}
        self.told: dict[int, str] = {}
        self.closed: dict[int, ForecastOutcome] = {}
        self.looks = 0
        self.moved_at = -1
        self._last = last
        for kept in known:
            self.looks += kept.cause == "saddle"
            self.told[kept.step] = made_words(kept)
            if kept.outcome is not None:
                self.closed[kept.step] = kept.outcome
            elif kept.forecasts and len(self._watched(kept)):
                self.open[kept.step] = kept

    # --- called by the engine ---

    def recorded(self, rows: Rows, saddles: Sequence[SaddleFound]) -> list[Event]:
        """The saddles, looks into them, and outcomes, by rising step."""
        events: list[Event] = []
        for saddle in saddles:
            events += [saddle, *self._inspect(saddle)]
        if "neuron_norm" in rows:
            own = {name: rows[name] for name in FOLLOWED_SERIES}
            if self.open:
                events += self._outcomes(own if self._last is None else _joined(self._last, own))
            self._last = {name: values[-1:].copy() for name, values in own.items()}
        return sorted(events, key=lambda event: getattr(event, "step", 0))

    def kept(self, kept: RecordedInspection) -> list[Event]:
        """An inspection that was asked for: kept, and its forecast followed from its own step on."""
        events = self._opened(kept)
        if kept.step in self.open:
            if kept.step < self.moved_at:
                return [*events, *self._void(kept, self.moved_at)]
            rows = self.before(kept.step)
            if rows is not None and len(rows["step"]):
                events += self._outcome(kept, rows)
        return events

    def perturbed(self, step: int) -> list[Event]:
        """Every open forecast is void."""
        self.moved_at = step
        return [event for kept in list(self.open.values()) for event in self._void(kept, step)]

    # --- making ---

    def _inspect(self, saddle: SaddleFound) -> list[Event]:
        if saddle.theta is None or self.looks > MOST_AT_SADDLES:
            return []
        self.looks += 1
        if self.looks > MOST_AT_SADDLES:
            words = f"no more looks into saddles: this run has made {MOST_AT_SADDLES}, which is the most"
            return [Forecast(saddle.step, words)]
        try:
            found = self.look(saddle.theta, saddle.step)
            if isinstance(found, Inspection):
                return self._opened(recorded_inspection(found, "saddle"))
        except FAILURES as error:
            found = f"the inspection failed ({error})"
        return [Forecast(saddle.step, f"no forecast for this state: {found}")]

    def _opened(self, kept: RecordedInspection) -> list[Event]:
        """Kept, told once, and followed where it can be."""
        words = made_words(kept)
        done = self.closed.pop(kept.step, None)
        if done is not None and self.told.get(kept.step) == words:
            self.closed[kept.step] = done
            return [Inspected(kept.step, replace(kept, outcome=done))]
        events: list[Event] = [Inspected(kept.step, kept)]
        self.open.pop(kept.step, None)
        watched = self._watched(kept)
        if kept.forecasts and len(watched):
            self.open[kept.step] = kept
        if self.told.get(kept.step) != words:
            self.told[kept.step] = words
            events.append(Forecast(kept.step, words))
        return events

    def _watched(self, kept: RecordedInspection) -> Int[Array, " w"]:
        """Columns of the recorded norms that belong to small neurons of the inspection."""
        small = kept.neurons.index[kept.neurons.small]
        return np.flatnonzero(np.isin(self.norms, small))

    # --- following ---

    def _outcomes(self, rows: Rows) -> list[Event]:
        return [e for kept in list(self.open.values()) for e in self._outcome(kept, rows)]

    def _outcome(self, kept: RecordedInspection, rows: Rows) -> list[Event]:
        """How a forecast is decided in these rows, if it is."""
        later = rows["step"] >= kept.step
        reached = rows["neuron_norm"][:, self._watched(kept)] >= kept.radius
        left = np.flatnonzero(later & reached.any(axis=1))
        late = np.flatnonzero(later & (rows["time"] >= kept.time + OVERDUE * kept.latest))
        if left.size and not (late.size and late[0] < left[0]):
            return self._closed(kept, self._left(kept, rows, int(left[0])))
        if late.size:
            return self._closed(kept, _late(kept, int(rows["step"][late[0]])))
        return []

    def _left(self, kept: RecordedInspection, rows: Rows, row: int) -> ForecastOutcome:
        """The outcome at the row where the first neuron is past the radius."""
        start = max(0, row - 1)
        own = {name: values[start : row + 1] for name, values in rows.items()}
        columns = self._watched(kept)
        direction = self._directions(own, columns)
        compared = compare(
            self._held(kept, columns), own["time"], own["neuron_norm"][:, columns], direction
        )
        departure = _first_of(compared.departures)
        waited = float("nan") if departure.time is None else departure.time
        # Flow time and steps are proportional between two records of one step size.
        at = float(np.interp(kept.time + waited, own["time"], own["step"].astype(float)))
        found = ForecastOutcome(
            kept.step,
            int(own["step"][-1]),
            "left",
            int(self.norms[columns[departure.index]]),
            waited,
            float("nan") if departure.time_error is None else departure.time_error,
            float("nan") if departure.angle_error is None else departure.angle_error,
            "",
            -1 if departure.time_inside is None else int(departure.time_inside),
            -1 if departure.angle_inside is None else int(departure.angle_inside),
        )
        return replace(found, text=left_words(kept, at, found))

    def _held(self, kept: RecordedInspection, columns: Int[Array, " w"]) -> EscapeForecast:
        """A forecast in which every watched neuron, counted by column, that was not named leaves when and
        where the named one does: whichever leaves first is then held against what was said."""
        neurons: list[NeuronForecast] = []
        points: list[KktPoint] = []
        for place, column in enumerate(columns):
            neuron = int(self.norms[column])
            said = neuron if neuron in kept.names else kept.first
            row, target = kept.row(said), kept.direction(said)
            aim = None
            flat = row is None or kept.points.kind[int(kept.neurons.target[row])] == "flat"
            if target is not None and not flat:
                aim = len(points)
                points.append(KktPoint(target, 0.0, 0.0, 0.0, "max"))
            numbers = {} if row is None else _numbers(kept, row)
            neurons.append(NeuronForecast(place, 0.0, True, target=aim, **numbers))
        return EscapeForecast(
            kept.step,
            kept.time,
            kept.radius,
            kept.share,
            tuple(neurons),
            tuple(points),
            0,
            len(columns),
        )

    def _directions(self, rows: Rows, columns: Int[Array, " w"]) -> Array:
        """Directions (T, w, d) of the watched neurons, NaN where they are not recorded."""
        found = rows["neuron_direction"]
        place = {int(neuron): column for column, neuron in enumerate(self.directions)}
        wide = np.full((len(found), len(columns), found.shape[2]), np.nan)
        for w, column in enumerate(columns):
            at = place.get(int(self.norms[column]))
            if at is not None:
                wide[:, w] = found[:, at]
        return wide

    def _void(self, kept: RecordedInspection, step: int) -> list[Event]:
        nan = float("nan")
        words = void_words(kept)
        return self._closed(
            kept, ForecastOutcome(kept.step, step, "void", -1, nan, nan, nan, words)
        )

    def _closed(self, kept: RecordedInspection, outcome: ForecastOutcome) -> list[Event]:
        del self.open[kept.step]
        self.closed[kept.step] = outcome
        return [Forecast(outcome.step, outcome.text, outcome)]


def _late(kept: RecordedInspection, step: int) -> ForecastOutcome:
    """The outcome of a forecast that did not come true; inside its interval where that allows never."""
    ends = [
        kept.neurons.escape_time_high[row] for row in map(kept.row, kept.names) if row is not None
    ]
    inside = -1 if np.isnan(ends).any() else int(np.isinf(ends).all())
    nan = float("nan")
    words = late_words(kept, inside)
    return ForecastOutcome(kept.step, step, "late", -1, nan, nan, nan, words, inside)


def _numbers(kept: RecordedInspection, row: int) -> dict[str, float | None]:
    """What a kept forecast says of a neuron's escape, None where it says nothing."""
    names = ("escape_time", "escape_time_low", "escape_time_high", "angle_bound")
    found = {name: float(getattr(kept.neurons, name)[row]) for name in names}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _first_of(departures: Sequence[Departure]) -> Departure:
    """The neuron that reached the radius first."""
    return min(departures, key=lambda o: np.inf if o.time is None else o.time)


def _joined(a: Rows, b: Rows) -> Rows:
    return {name: np.concatenate([a[name], b[name]]) for name in FOLLOWED_SERIES}
