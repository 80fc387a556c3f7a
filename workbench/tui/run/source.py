"""Where a run screen's numbers come from: a session that trains, or the files of a stored run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from workbench.arrays import Array, Float
from workbench.config.run import RunConfig
from workbench.errors import StorageError
from workbench.protocol.events import RunEvent
from workbench.protocol.status import RunStatus
from workbench.record.history import History
from workbench.run.stored import StoredRun
from workbench.tui.inspect.examined import LiveSubject, StoredSubject, Subject
from workbench.tui.run.eta import seconds_to_risk
from workbench.tui.run.moments import CircleKeeper, Moment, moment_of, recorded_moment
from workbench.tui.run.surface import Surface, SurfaceKeeper

if TYPE_CHECKING:
    from workbench.inspector.risk_model import RiskModel
    from workbench.protocol.events import Snapshot
    from workbench.run.network import ConfiguredNetwork
    from workbench.run.session import Session


@dataclass(frozen=True)
class Progress:
    """How a run is doing, for the status line."""

    state: RunStatus
    step: int
    steps: int
    rate: float = 0.0
    eta: float | None = None
    note: str = ""


class Source(Protocol):
    """A run to look at."""

    name: str
    folder: Path
    config: RunConfig | None

    @property
    def history(self) -> History:
        """Its records."""
        ...

    @property
    def live(self) -> bool:
        """Whether it is told by whoever trains it."""
        ...

    def refresh(self) -> bool:
        """Look for news; whether there are any."""
        ...

    def progress(self) -> Progress:
        """Where the run is."""
        ...

    def moment(self, row: int | None) -> Moment:
        """The state at a record, or the latest."""
        ...

    def surface(self, row: int | None) -> Surface | None:
        """The prediction over the plane at a record, or the latest; None while it is not ready."""
        ...

    @property
    def order(self) -> float | None:
        """L of the network's homogeneity, None where it has none or it is not known."""
        ...

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the network's layers; none while it is not known."""
        ...

    def events(self) -> Sequence[RunEvent]:
        """What happened, oldest first."""
        ...

    def data(self) -> tuple[Float[np.ndarray, "n ..."] | None, Float[np.ndarray, " n"] | None]:
        """The samples."""
        ...

    def subject(self, row: int | None) -> Subject | None:
        """What can be examined at a record, or now; None while there is nothing."""
        ...


class LiveSource:
    """A run being trained by this process."""

    live = True

    def __init__(self, session: Session) -> None:
        self.session = session
        self.folder = session.folder
        self.config: RunConfig | None = session.config
        self.name = session.name
        self.history = session.history.still()
        self._keeper = CircleKeeper()
        self._surfaces = SurfaceKeeper()
        self._seen: tuple[object, int] = (None, -1)

    def refresh(self) -> bool:
        """Whether the engine has published a new snapshot, or gone on."""
        engine, (snapshot, step) = self.session.engine, self._seen
        self.history = self.session.history.still()
        self._seen = (engine.snapshot, engine.state.step)
        return self._seen[0] is not snapshot or self._seen[1] != step

    def progress(self) -> Progress:
        """From the engine's snapshot."""
        engine, snapshot = self.session.engine, self.session.engine.snapshot
        state = engine.status
        if snapshot is None:
            return Progress(state, 0, engine.plan.steps)
        # The step counter is the engine's own: snapshots are rare where looking is dear.
        step = engine.state.step if engine.status is RunStatus.RUNNING else snapshot.step
        return Progress(
            state,
            step,
            engine.plan.steps,
            snapshot.steps_per_second,
            self._eta(snapshot),
            snapshot.note,
        )

    def _eta(self, snapshot: Snapshot) -> float | None:
        """Seconds until the last step, or until the risk that is the run's goal if that is sooner."""
        until, eta = (
            self.config.train.until if self.config is not None else None,
            snapshot.eta_seconds,
        )
        if until is None or eta is None:
            return eta
        sooner = seconds_to_risk(self.history, until.log10_risk, snapshot.steps_per_second)
        # The flow's own number of steps is only a limit: until its speed is known nothing can be said.
        limit = np.inf if self.config is not None and self.config.train.rule == "flow" else eta
        left = min(limit, np.inf if sooner is None else sooner)
        return left if np.isfinite(left) else None

    @property
    def order(self) -> float | None:
        """L of the network's homogeneity, None where it has none."""
        return self.session.experiment.panel.order

    @property
    def layers(self) -> tuple[str, ...]:
        """As the network declares them."""
        return tuple(layer.name for layer in self.session.experiment.structure.layers)

    def surface(self, row: int | None) -> Surface | None:
        """Of the engine's snapshot: a run that trains keeps no θ of the records before in memory."""
        snapshot = self.session.engine.snapshot
        if snapshot is None:
            return None
        running = snapshot.status is RunStatus.RUNNING
        network = self.session.experiment.network
        return self._surfaces.of(network, snapshot.step, snapshot.theta, now=not running)

    def moment(self, row: int | None) -> Moment:
        """The engine's snapshot, or a record with the neurons it holds."""
        snapshot = self.session.engine.snapshot
        if snapshot is None:
            return Moment(0, reason="starting", waiting=True)
        if row is not None:
            return recorded_moment(
                self.history, row, "the correlation function is of the latest state"
            )
        return moment_of(
            self.session.experiment.network,
            snapshot.step,
            snapshot.theta,
            snapshot.outputs,
            snapshot.values,
            self._keeper,
            now=snapshot.status is not RunStatus.RUNNING,
        )

    def events(self) -> Sequence[RunEvent]:
        """As the engine told them."""
        return self.session.events

    def data(self) -> tuple[Float[np.ndarray, "n ..."] | None, Float[np.ndarray, " n"] | None]:
        """The samples."""
        data = self.session.experiment.dataset
        return data.x, data.y

    def subject(self, row: int | None) -> Subject | None:
        """The latest state: of those before there is no θ in memory."""
        return None if self.session.engine.snapshot is None else LiveSubject(self.session)


class StoredSource:
    """A run in its files: finished, lost, or being written by another process."""

    live = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = StoredRun(folder)
        self.reader = self.run.reader
        self.history = History.from_reader(self.reader)
        self.config: RunConfig | None = self.run.config
        self.name = self.run.name
        self.network: ConfiguredNetwork | None = None
        self.risk: RiskModel | None = None
        self._keeper = CircleKeeper()
        self._surfaces = SurfaceKeeper()
        self._moment: Moment | None = None
        self._events: list[RunEvent] | None = None
        self._data: tuple[Array | None, Array | None] | None = None
        self._checked = 0.0
        self._news = True

    def prepare(self) -> None:
        """Rebuild the network behind the recorded θ; slow (imports torch), for a worker thread.

        A network or a loss of the user's own is never imported for looking.
        """
        if self.config is None or self.config.own_code:
            return
        import workbench.theory.ncf.kkt  # noqa: F401  (slow to load, and wanted by the next frame)

        network = self.run.network()
        self.risk = network.risk()
        self.network = network
        self._moment = None
        self._news = True

    def refresh(self) -> bool:
        """Follow the file while another process writes it."""
        news, self._news = self._news, False
        if self.reader.live and time.monotonic() - self._checked > 0.5:
            self._checked = time.monotonic()
            news = self.history.update() > 0 or news
        return news

    def progress(self) -> Progress:
        """From the file's status and its last record."""
        steps = self.history.step
        state = self.reader.status.looked_at_again
        planned = self.config.train.steps if self.config is not None else 0
        return Progress(state, int(steps[-1]) if len(steps) else 0, planned)

    def moment(self, row: int | None) -> Moment:
        """The state at a record, with the network's outputs where θ was recorded."""
        if self.history.length == 0:
            return Moment(0, reason="no record yet", waiting=True)
        row = self.history.length - 1 if row is None else row
        step = int(self.history.step[row])
        if self._moment is not None and self._moment.step == step:
            return self._moment
        if self.network is None or self.risk is None or "theta" not in self.reader.series_names():
            loading = self._can_prepare()
            reason = "loading the network …" if loading else "θ was not recorded"
            self._moment = recorded_moment(self.history, row, reason, waiting=loading)
            return self._moment
        theta = np.asarray(self._recorded_theta(row), dtype=np.float64)
        outputs = self.risk.outputs(theta)
        values = recorded_moment(self.history, row, "").values
        self._moment = moment_of(self.network, step, theta, outputs, values, self._keeper, now=True)
        return self._moment

    @property
    def order(self) -> float | None:
        """L of the network's homogeneity, as its file says."""
        order = float(self.reader.attributes.get("homogeneity", np.nan))
        return order if np.isfinite(order) else None

    @property
    def layers(self) -> tuple[str, ...]:
        """As the network declares them, once it is rebuilt."""
        found = self.network
        return () if found is None else tuple(layer.name for layer in found.structure.layers)

    def surface(self, row: int | None) -> Surface | None:
        """At a record where θ was recorded, else at the checkpoint before it."""
        if self.network is None or not self.history.length:
            return None
        row = self.history.length - 1 if row is None else min(row, self.history.length - 1)
        step = int(self.history.step[row])
        if "theta" in self.reader.series_names():
            return self._surfaces.of(self.network, step, self._recorded_theta(row), now=True)
        before = self.run.steps[self.run.steps <= step]
        if not before.size:
            return Surface(step, reason="no checkpoint before this step")
        at = int(before[-1])
        return self._surfaces.of(self.network, at, self.run.theta(at), now=True)

    def _recorded_theta(self, row: int) -> Float[np.ndarray, " P"]:
        """θ at a row of the history."""
        record = int(self.history.record[row])
        return np.asarray(self.reader.read("theta", slice(record, record + 1)))[0]

    def _can_prepare(self) -> bool:
        return (
            self.network is None
            and "theta" in self.reader.series_names()
            and self.config is not None
            and not self.config.own_code
        )

    def events(self) -> Sequence[RunEvent]:
        """As recorded; read again only while there may be more."""
        if self._events is None or self.reader.live:
            self._events = list(self.reader.events())
        return self._events

    def data(self) -> tuple[Float[np.ndarray, "n ..."] | None, Float[np.ndarray, " n"] | None]:
        """The samples kept with the run, read once; none where they cannot be read, as `prepare` says."""
        if self._data is not None:
            return self._data
        try:
            found = self.reader.x, self.reader.y
        except StorageError:
            found = None, None
            if self.reader.live:  # it may have been caught half-written
                return found
        self._data = found
        return found

    def subject(self, row: int | None) -> Subject | None:
        """The state at a record."""
        return StoredSubject(self, row) if self.history.length else None

    def close(self) -> None:
        """Close the file."""
        self.run.close()
