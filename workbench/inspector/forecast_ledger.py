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
from workbench.protocol.inspections import WHOLE, ForecastOutcome, RecordedInspection
from workbench.theory.ncf.result import KktPoint

OVERDUE = 2.0
"""Times its own latest waiting time after which a forecast that did not come true is closed."""
MOST_AT_SADDLES = 200
"""Most inspections that a run makes by itself."""
NEURON_SERIES = ("step", "time", "neuron_norm", "neuron_direction")
NORM = "rho"
"""The series of ‖θ‖, against which a forecast of the whole θ is held."""

Rows = Mapping[str, Array]
Inspect = Callable[[Array, int], Inspection | str]
"""(θ (P), step) -> inspection, bounded in work, or why there is none."""

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
        inspect: Inspect,
        norms: Int[Array, " k"],
        directions: Int[Array, " m"],
        before: Callable[[int], Rows | None],
        last: Rows | None = None,
        known: Iterable[RecordedInspection] = (),
    ) -> None:
        self.inspect, self.norms, self.directions, self.before = inspect, norms, directions, before
        self.open: dict[int, RecordedInspection] = {}
        self.told: dict[int, str] = {}
        self.closed: dict[int, ForecastOutcome] = {}
        self.made = 0
        self.moved_at = -1
        self._last = last
        for inspection in known:
            self.made += inspection.cause == "saddle"
            self.told[inspection.step] = made_words(inspection)
            if inspection.outcome is not None:
                self.closed[inspection.step] = inspection.outcome
            elif self._follows(inspection):
                self.open[inspection.step] = inspection

    # --- called by the engine ---

    def recorded(self, rows: Rows, saddles: Sequence[SaddleFound]) -> list[Event]:
        """The saddles, looks into them, and outcomes, by rising step."""
        events: list[Event] = []
        for saddle in saddles:
            events += [saddle, *self._inspect(saddle)]
        own = {name: rows[name] for name in (*NEURON_SERIES, NORM) if name in rows}
        if "neuron_norm" in rows or NORM in rows:
            if self.open:
                events += self._outcomes(own if self._last is None else _joined(self._last, own))
            self._last = {name: values[-1:].copy() for name, values in own.items()}
        return sorted(events, key=lambda event: getattr(event, "step", 0))

    def asked(self, inspection: RecordedInspection) -> list[Event]:
        """An inspection that was asked for: recorded, and its forecast followed from its own step on."""
        events = self._opened(inspection)
        if inspection.step in self.open:
            if inspection.step < self.moved_at:
                return [*events, *self._void(inspection, self.moved_at)]
            rows = self.before(inspection.step)
            if rows is not None and len(rows["step"]):
                events += self._outcome(inspection, rows)
        return events

    def perturbed(self, step: int) -> list[Event]:
        """Every open forecast is void."""
        self.moved_at = step
        return [
            event
            for inspection in list(self.open.values())
            for event in self._void(inspection, step)
        ]

    # --- making ---

    def _inspect(self, saddle: SaddleFound) -> list[Event]:
        if saddle.theta is None or self.made > MOST_AT_SADDLES:
            return []
        self.made += 1
        if self.made > MOST_AT_SADDLES:
            words = f"no more looks into saddles: this run has made {MOST_AT_SADDLES}, which is the most"
            return [Forecast(saddle.step, words)]
        try:
            found = self.inspect(saddle.theta, saddle.step)
            if isinstance(found, Inspection):
                return self._opened(recorded_inspection(found, "saddle"))
        except FAILURES as error:
            found = f"the inspection failed ({error})"
        return [Forecast(saddle.step, f"no forecast for this state: {found}")]

    def _opened(self, inspection: RecordedInspection) -> list[Event]:
        """Kept, told once, and followed where it can be."""
        words = made_words(inspection)
        done = self.closed.pop(inspection.step, None)
        if done is not None and self.told.get(inspection.step) == words:
            self.closed[inspection.step] = done
            return [Inspected(inspection.step, replace(inspection, outcome=done))]
        events: list[Event] = [Inspected(inspection.step, inspection)]
        self.open.pop(inspection.step, None)
        if self._follows(inspection):
            self.open[inspection.step] = inspection
        if self.told.get(inspection.step) != words:
            self.told[inspection.step] = words
            events.append(Forecast(inspection.step, words))
        return events

    def _follows(self, inspection: RecordedInspection) -> bool:
        """Whether records will say what becomes of a forecast."""
        whole = inspection.first == WHOLE
        return inspection.forecasts and (whole or len(self._watched(inspection)) > 0)

    def _norms(self, inspection: RecordedInspection, rows: Rows) -> Array:
        """Norms (T, w) of what may leave: watched neurons, or the whole θ."""
        if inspection.first == WHOLE:
            return np.asarray(rows[NORM])[:, None]
        return np.asarray(rows["neuron_norm"][:, self._watched(inspection)])

    def _watched(self, inspection: RecordedInspection) -> Int[Array, " w"]:
        """Columns of the recorded norms that belong to small neurons of the inspection."""
        small = inspection.neurons.index[inspection.neurons.small]
        return np.flatnonzero(np.isin(self.norms, small))

    # --- following ---

    def _outcomes(self, rows: Rows) -> list[Event]:
        return [
            e for inspection in list(self.open.values()) for e in self._outcome(inspection, rows)
        ]

    def _outcome(self, inspection: RecordedInspection, rows: Rows) -> list[Event]:
        """How a forecast is decided in these rows, if it is."""
        if (NORM if inspection.first == WHOLE else "neuron_norm") not in rows:
            return []
        later = rows["step"] >= inspection.step
        reached = self._norms(inspection, rows) >= inspection.radius
        left = np.flatnonzero(later & reached.any(axis=1))
        late = np.flatnonzero(
            later & (rows["time"] >= inspection.time + OVERDUE * inspection.latest)
        )
        if left.size and not (late.size and late[0] < left[0]):
            return self._closed(inspection, self._left(inspection, rows, int(left[0])))
        if late.size:
            return self._closed(inspection, _late(inspection, int(rows["step"][late[0]])))
        return []

    def _left(self, inspection: RecordedInspection, rows: Rows, row: int) -> ForecastOutcome:
        """The outcome at the row where the first neuron is past the radius."""
        start = max(0, row - 1)
        own = {name: values[start : row + 1] for name, values in rows.items()}
        whole = inspection.first == WHOLE
        columns = self._watched(inspection)
        norms = self._norms(inspection, own)
        # No direction of a whole θ is recorded.
        direction = np.zeros((*norms.shape, 1)) if whole else self._directions(own, columns)
        held = _held_whole(inspection) if whole else self._held(inspection, columns)
        compared = compare(held, own["time"], norms, direction)
        departure = _first_of(compared.departures)
        waited = float("nan") if departure.time is None else departure.time
        # Flow time and steps are proportional between two records of one step size.
        at = float(np.interp(inspection.time + waited, own["time"], own["step"].astype(float)))
        found = ForecastOutcome(
            inspection.step,
            int(own["step"][-1]),
            "left",
            WHOLE if whole else int(self.norms[columns[departure.index]]),
            waited,
            float("nan") if departure.time_error is None else departure.time_error,
            float("nan") if departure.angle_error is None else departure.angle_error,
            "",
            -1 if departure.time_inside is None else int(departure.time_inside),
            -1 if departure.angle_inside is None else int(departure.angle_inside),
        )
        return replace(found, text=left_words(inspection, at, found))

    def _held(self, inspection: RecordedInspection, columns: Int[Array, " w"]) -> EscapeForecast:
        """A forecast in which every watched neuron, counted by column, that was not named leaves when and
        where the named one does: whichever leaves first is then held against what was said."""
        neurons: list[NeuronForecast] = []
        points: list[KktPoint] = []
        for place, column in enumerate(columns):
            neuron = int(self.norms[column])
            said = neuron if neuron in inspection.names else inspection.first
            row, target = inspection.row(said), inspection.direction(said)
            aim = None
            flat = (
                row is None or inspection.points.kind[int(inspection.neurons.target[row])] == "flat"
            )
            if target is not None and not flat:
                aim = len(points)
                points.append(KktPoint(target, 0.0, 0.0, 0.0, "max"))
            numbers = {} if row is None else _numbers(inspection, row)
            neurons.append(NeuronForecast(place, 0.0, True, target=aim, **numbers))
        return EscapeForecast(
            inspection.step,
            inspection.time,
            inspection.radius,
            inspection.share,
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

    def _void(self, inspection: RecordedInspection, step: int) -> list[Event]:
        nan = float("nan")
        words = void_words(inspection)
        return self._closed(
            inspection, ForecastOutcome(inspection.step, step, "void", -1, nan, nan, nan, words)
        )

    def _closed(self, inspection: RecordedInspection, outcome: ForecastOutcome) -> list[Event]:
        del self.open[inspection.step]
        self.closed[inspection.step] = outcome
        return [Forecast(outcome.step, outcome.text, outcome)]


def _held_whole(inspection: RecordedInspection) -> EscapeForecast:
    """The forecast of the whole θ, as of one neuron."""
    row = inspection.row(WHOLE)
    numbers = {} if row is None else _numbers(inspection, row)
    return EscapeForecast(
        inspection.step,
        inspection.time,
        inspection.radius,
        inspection.share,
        (NeuronForecast(0, 0.0, True, target=None, **numbers),),
        (),
        0,
        1,
    )


def _late(inspection: RecordedInspection, step: int) -> ForecastOutcome:
    """The outcome of a forecast that did not come true; inside its interval where that allows never."""
    ends = [
        inspection.neurons.escape_time_high[row]
        for row in map(inspection.row, inspection.names)
        if row is not None
    ]
    inside = -1 if np.isnan(ends).any() else int(np.isinf(ends).all())
    nan = float("nan")
    words = late_words(inspection, inside)
    return ForecastOutcome(inspection.step, step, "late", -1, nan, nan, nan, words, inside)


def _numbers(inspection: RecordedInspection, row: int) -> dict[str, float | None]:
    """What a recorded forecast says of a neuron's escape, None where it says nothing."""
    names = ("escape_time", "escape_time_low", "escape_time_high", "angle_bound")
    found = {name: float(getattr(inspection.neurons, name)[row]) for name in names}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _first_of(departures: Sequence[Departure]) -> Departure:
    """The neuron that reached the radius first."""
    return min(departures, key=lambda o: np.inf if o.time is None else o.time)


def _joined(a: Rows, b: Rows) -> Rows:
    return {name: np.concatenate([a[name], b[name]]) for name in b if name in a}
