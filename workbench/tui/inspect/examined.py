"""What the inspector's screen looks into: a run that is paused, or a record of a stored one.

Everything here blocks and is called from a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.errors import BadInput
from workbench.tui.run.surface import Surface, has_plane, plane_of, surface_of

if TYPE_CHECKING:
    from workbench.inspector.circle import Circle
    from workbench.inspector.inspect import Inspection
    from workbench.inspector.state import InspectedState
    from workbench.run.session import Session
    from workbench.tui.run.source import Source, StoredSource

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
    """Something that can be looked into."""

    name: str
    live: bool

    def key(self) -> object:
        """Another object, or another int, whenever another state is there; None while there is none."""
        ...

    def state(self) -> InspectedState:
        """The state; raises WorkbenchError where there is none."""
        ...


class LiveSubject:
    """The run that this process trains, whenever it is not taking steps."""

    live = True

    def __init__(self, session: Session) -> None:
        self.session = session
        self.name = session.name

    def key(self) -> object:
        """The engine's snapshot, once it stands still."""
        snapshot = self.session.engine.snapshot
        return None if snapshot is None or snapshot.mode in ("running", "starting") else snapshot

    def state(self) -> InspectedState:
        """The state of the latest snapshot."""
        return self.session.inspected_state()

    def keep(self, examined: Examined) -> None:
        """Keep the inspection in the run's file."""
        if not self.session.engine.ended:
            self.session.keep_inspection(examined.inspection)


class StoredSubject:
    """A stored run at one of its records."""

    live = False

    def __init__(self, source: StoredSource, row: int | None) -> None:
        self.source = source
        self.folder: Path = source.folder
        self.name = source.name
        self.row = source.history.length - 1 if row is None else row

    def key(self) -> object:
        """The record's step."""
        return self.step

    @property
    def step(self) -> int:
        """The step of the record."""
        steps = self.source.history.step
        return int(steps[min(self.row, len(steps) - 1)])

    def moved(self, by: int) -> bool:
        """To a record before or after; whether there is one."""
        row = min(max(0, self.row + by), self.source.history.length - 1)
        moved, self.row = row != self.row, row
        return moved

    def state(self) -> InspectedState:
        """From the run's files; the network that Replay has built is used again."""
        from workbench.run.stored import inspected_state

        config = self.source.config
        if config is not None and config.model.kind == "torch":
            raise BadInput(
                "this run's network is a class of its own, which is not imported for looking; "
                f"workbench inspect {self.folder.name} --trust does, if you know where it comes from."
            )
        return inspected_state(self.folder, self.step, setup=self.source.setup)


def subject_of(source: Source, row: int | None) -> LiveSubject | StoredSubject | None:
    """The run of a screen, at a record or now; None while there is nothing to look into."""
    from workbench.tui.run.source import LiveSource, StoredSource

    if isinstance(source, LiveSource) and source.session.engine.snapshot is not None:
        return LiveSubject(source.session)
    if isinstance(source, StoredSource) and source.history.length:
        return StoredSubject(source, row)
    return None


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
