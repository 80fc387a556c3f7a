"""Where screens ask to go. A screen posts `Go`; the app, which alone knows the screens, goes there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from workbench.inspector.state import InspectedState
    from workbench.protocol.status import RunStatus
    from workbench.record.pursuit_file import KeptPursuit
    from workbench.run.pursued import PursuitTask
    from workbench.theory.optimality.verdict import Optimality
    from workbench.tui.inspect.examined import Subject


@dataclass(frozen=True)
class OpenBrowse:
    """The stored runs."""


@dataclass(frozen=True)
class OpenLaunch:
    """The form of a new run."""


@dataclass(frozen=True)
class OpenStudy:
    """A study: outcomes of all its members."""

    folder: Path


@dataclass(frozen=True)
class OpenReplay:
    """A stored run, or one that another process trains."""

    folder: Path


@dataclass(frozen=True, eq=False)
class OpenInspector:
    """Inside a state of a run."""

    subject: Subject


@dataclass(frozen=True, eq=False)
class OpenLayers:
    """The layers of a state of a run."""

    subject: Subject


@dataclass(frozen=True, eq=False)
class OpenVerdict:
    """Whether the KKT point that a state heads for is optimal.

    `run`, `status`: for the status line. `known`: the verdict if it was found before. `keep`: called
    with the verdict when the page is left, None where there is none yet.
    """

    run: str
    state: InspectedState
    status: RunStatus
    known: Optimality | None
    keep: Callable[[Optimality | None], None]


@dataclass(frozen=True, eq=False)
class OpenPursuit:
    """Neuron pursuit: a task that is computed there, and kept in the file `output`, or one that was kept."""

    what: PursuitTask | KeptPursuit
    output: Path | None = None


@dataclass(frozen=True)
class StartRun:
    """Train a preset, a file, or a study's member again, `source`, with settings on top."""

    source: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResumeRun:
    """Go on with a stored run; `steps`: its new end, None: the one it has."""

    folder: Path
    steps: int | None = None


@dataclass(frozen=True)
class ForkRun:
    """A new run from the state of a run at step `at`; one that trains here is stopped with a checkpoint."""

    folder: Path
    at: int
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeaveRun:
    """Stop the run that trains here with a checkpoint, and leave its screen."""


Route = (
    OpenBrowse
    | OpenLaunch
    | OpenStudy
    | OpenReplay
    | OpenInspector
    | OpenLayers
    | OpenVerdict
    | OpenPursuit
    | StartRun
    | ResumeRun
    | ForkRun
    | LeaveRun
)


class Go(Message):
    """A screen asks to go somewhere."""

    def __init__(self, route: Route) -> None:
        super().__init__()
        self.route = route
