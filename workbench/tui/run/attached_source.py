"""A run that another process of this machine trains: records from its files, its state from its socket."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Float
from workbench.protocol.events import RunEvent
from workbench.tui.inspect.examined import Subject
from workbench.tui.run.moments import CircleKeeper, Moment, moment_of
from workbench.tui.run.source import Progress, StoredSource
from workbench.tui.run.surface import Surface, SurfaceKeeper

if TYPE_CHECKING:
    from workbench.config.run import RunConfig
    from workbench.record.history import History
    from workbench.run.link import Link

READ_SECONDS = 0.25
"""Least time between two looks at the file."""
AFTER_SECONDS = 1.0
"""What a state tells of is in the file so long after it at the latest."""


class AttachedSource:
    """Live while the link stands, and what is recorded from then on."""

    def __init__(self, folder: Path, link: Link) -> None:
        self.link = link
        self.stored = StoredSource(folder)
        self.folder = folder
        self.config: RunConfig | None = self.stored.config
        self.name = self.stored.name
        self._keeper = CircleKeeper()
        self._surfaces = SurfaceKeeper()
        self._seen: object = None
        self._said_gone = False
        self._read_at = self._read_until = 0.0

    @property
    def live(self) -> bool:
        """Whether the link stands."""
        return not self.link.gone

    @property
    def history(self) -> History:
        """What is recorded by now."""
        return self.stored.history

    def prepare(self) -> None:
        """Rebuild the network; slow, for a worker thread."""
        self.stored.prepare()

    def refresh(self) -> bool:
        """Whether the trainer told something new, or its file has more records."""
        state, gone, now = self.link.state, bool(self.link.gone), time.monotonic()
        news = state is not self._seen or gone != self._said_gone
        if news:
            self._read_until = now + AFTER_SECONDS
        if now < self._read_until and (news or now - self._read_at > READ_SECONDS):
            self._read_at = now
            news = self.history.update() > 0 or news
        self._seen, self._said_gone = state, gone
        # Once nothing is told any more the file is looked at as of any run.
        return (gone and self.stored.refresh()) or news

    def progress(self) -> Progress:
        """As its trainer told it last; once that is gone, as the file says."""
        state = self.link.state
        if self.link.gone or state is None:
            return self._recorded()
        return Progress(
            state.status,
            state.step,
            state.steps,
            state.steps_per_second,
            state.eta_seconds,
            state.note or "attached",
        )

    def _recorded(self) -> Progress:
        found = self.stored.progress()
        return Progress(self.stored.reader.status, found.step, found.steps)

    def moment(self, row: int | None) -> Moment:
        """The trainer's state where it sends θ, else that of a record."""
        state, network, risk = self.link.state, self.stored.network, self.stored.risk
        known = state is not None and state.theta is not None and bool(state.values)
        if row is not None or self.link.gone or not known or network is None or risk is None:
            return self.stored.moment(row)
        assert state is not None
        assert state.theta is not None
        outputs = risk.outputs(state.theta)
        return moment_of(
            network,
            state.theta_step,
            state.theta,
            outputs,
            state.values,
            self._keeper,
            now=state.status.still,
        )

    @property
    def order(self) -> float | None:
        """L of the network's homogeneity, as its file says."""
        return self.stored.order

    @property
    def layers(self) -> tuple[str, ...]:
        """As the network declares them, once it is rebuilt."""
        return self.stored.layers

    def surface(self, row: int | None) -> Surface | None:
        """Of the trainer's state where it sends θ, else of a record."""
        state, network = self.link.state, self.stored.network
        if row is not None or self.link.gone or network is None:
            return self.stored.surface(row)
        if state is None or state.theta is None:
            return self.stored.surface(row)
        return self._surfaces.of(network, state.theta_step, state.theta, now=state.status.still)

    def events(self) -> Sequence[RunEvent]:
        """As recorded."""
        return self.stored.events()

    def data(self) -> tuple[Float[np.ndarray, "n ..."] | None, Float[np.ndarray, " n"] | None]:
        """The samples kept in the file."""
        return self.stored.data()

    def subject(self, row: int | None) -> Subject | None:
        """The state at a record, or at the last one."""
        return self.stored.subject(row)

    def close(self) -> None:
        """Detach, and close the file."""
        self.link.close()
        self.stored.close()
