"""What the inspector's screen looks into: a run that is paused, or a record of a stored one.

Everything here blocks and is called from a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.arrays import Float
from workbench.errors import BadInput
from workbench.tui.run.surface import Surface, has_plane, plane_of, surface_of

if TYPE_CHECKING:
    import numpy as np

    from workbench.config.run import RunConfig
    from workbench.inspector.circle import Circle
    from workbench.inspector.inspect import Inspection
    from workbench.inspector.state import InspectedState
    from workbench.models.structure import Structure
    from workbench.record.history import History
    from workbench.run.network import ConfiguredNetwork
    from workbench.run.session import Session

Cancel = Callable[[], bool]


@dataclass(frozen=True, eq=False)
class Examined:
    """A state with what the inspector found. `surface`: Φ over the plane of the inputs, where they lie in
    one. `circles`: N over the angle by the sign of z that neurons
    see, for neurons in the plane. `sure`: the curvature is in the verdict, or has no use there.
    `whole`: the certificates of problem (P) are there too, or the reason why not."""

    state: InspectedState
    inspection: Inspection
    circles: dict[float, Circle]
    surface: Surface | None = None
    sure: bool = False
    whole: bool = False


class Subject(Protocol):
    """Something that can be examined: a run at one of its states.

    `session`: what trains it here, and takes commands; None: it is a stored run.
    """

    name: str
    folder: Path
    config: RunConfig | None
    session: Session | None

    @property
    def step(self) -> int | None:
        """The state's step; None while there is none."""
        ...

    def key(self) -> object:
        """Another object, or another int, whenever another state is there; None while there is none."""
        ...

    def passing(self) -> object:
        """As `key`, for what can be seen of a state while the run goes on."""
        ...

    def state(self) -> InspectedState:
        """The state; raises WorkbenchError where there is none."""
        ...

    def weights(self) -> Weights:
        """What layers show, of a state that may be passing; raises WorkbenchError where there is none."""
        ...

    def keep(self, examined: Examined) -> None:
        """Keep the inspection in the run's file, where this process writes it."""
        ...

    def moved(self, by: int) -> bool:
        """To a state before or after; whether there is one."""
        ...


@dataclass(frozen=True, eq=False)
class Weights:
    """θ (P) with its structure, and the samples x (n, …), y (n), at a step."""

    theta: Float[np.ndarray, " P"]
    structure: Structure
    x: Float[np.ndarray, "n ..."]
    y: Float[np.ndarray, " n"]
    step: int


class LiveSubject:
    """The run that this process trains, whenever it is not taking steps."""

    def __init__(self, session: Session) -> None:
        self.session: Session | None = session
        self._session = session
        self.name = session.name
        self.folder = session.folder
        self.config: RunConfig | None = session.config

    @property
    def step(self) -> int | None:
        """The latest snapshot's."""
        snapshot = self._session.engine.snapshot
        return None if snapshot is None else snapshot.step

    def key(self) -> object:
        """The engine's snapshot, once it stands still."""
        snapshot = self._session.engine.snapshot
        return None if snapshot is None or not snapshot.status.still else snapshot

    def passing(self) -> object:
        """The engine's snapshot."""
        return self._session.engine.snapshot

    def state(self) -> InspectedState:
        """The state of the latest snapshot."""
        return self._session.inspected_state()

    def weights(self) -> Weights:
        """Of the latest snapshot."""
        snapshot, made = self._session.engine.snapshot, self._session.experiment
        if snapshot is None:
            raise BadInput(f"run {self.folder.name} has not begun.")
        data = made.dataset
        return Weights(snapshot.theta, made.structure, data.x, data.y, snapshot.step)

    def keep(self, examined: Examined) -> None:
        """Keep the inspection in the run's file."""
        if not self._session.engine.ended:
            self._session.keep_inspection(examined.inspection)

    def moved(self, by: int) -> bool:
        """There is only the latest state."""
        return False


class RecordedRun(Protocol):
    """What a stored run's source knows of it. `network`: once it is built."""

    folder: Path
    name: str
    history: History
    config: RunConfig | None
    network: ConfiguredNetwork | None


class StoredSubject:
    """A stored run at one of its records."""

    def __init__(self, source: RecordedRun, row: int | None) -> None:
        self.session: Session | None = None
        self.source = source
        self.folder = source.folder
        self.name = source.name
        self.config = source.config
        self.row = source.history.length - 1 if row is None else row

    @property
    def step(self) -> int:
        """The step of the record."""
        steps = self.source.history.step
        return int(steps[min(self.row, len(steps) - 1)])

    def key(self) -> object:
        """The record's step."""
        return self.step

    def passing(self) -> object:
        """The record's step."""
        return self.step

    def state(self) -> InspectedState:
        """From the run's files; the network that Replay has built is used again."""
        from workbench.run.stored import StoredRun

        config = self.source.config
        if config is not None and config.own_code:
            raise BadInput(
                "this run's network or loss is a class of its own, which is not imported for looking; "
                f"workbench inspect {self.folder.name} --trust does, if you know where it comes from."
            )
        with StoredRun(self.folder) as run:
            return run.state(self.step, network=self.source.network)

    def weights(self) -> Weights:
        """Of the record's state."""
        state = self.state()
        return Weights(state.theta, state.structure, state.x, state.y, state.step)

    def keep(self, examined: Examined) -> None:
        """The files of a stored run stay as they are."""

    def moved(self, by: int) -> bool:
        """To a record before or after; whether there is one."""
        row = min(max(0, self.row + by), self.source.history.length - 1)
        moved, self.row = row != self.row, row
        return moved


def examine(state: InspectedState, cancel: Cancel) -> Examined:
    """All that takes milliseconds: KKT points, forecast, a first verdict, the circle."""
    from workbench.inspector.circle import circle_of, circle_reason
    from workbench.inspector.inspect import inspect_state

    inspection = inspect_state(state, cancel=cancel, hessian=False)
    circles: dict[float, Circle] = {}
    neurons = state.structure.neurons
    why_not = circle_reason(neurons, state.x.shape[-1], state.outputs.ndim == 1)
    correlation = inspection.correlation
    if neurons is not None and why_not is None and correlation is not None and not cancel():
        for sign in correlation.sets:
            circles[sign] = circle_of(state.x, sign * state.z, neurons)
    surface = None
    if has_plane(state.x) and not cancel():
        surface = surface_of(plane_of(state.risk.model, state.x), state.step, state.theta)
    return Examined(state, inspection, circles, surface)


def made_sure(examined: Examined, cancel: Cancel) -> Examined:
    """With the curvature in its verdict, which takes seconds where there are many parameters."""
    from workbench.inspector.inspect import hessian_evidence, with_curvature

    curvature = hessian_evidence(examined.state, cancel)
    inspection = with_curvature(examined.inspection, examined.state, curvature)
    return replace(examined, inspection=inspection, sure=True)


def with_margin(examined: Examined, cancel: Cancel) -> Examined:
    """With the certificates of problem (P), which take seconds where there are many parameters."""
    from workbench.inspector.inspect import certified

    return replace(
        examined, inspection=certified(examined.inspection, examined.state, cancel), whole=True
    )
