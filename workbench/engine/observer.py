"""Who looks into saddles and follows forecasts, as the engine sees it: rows in, events out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from workbench.arrays import Array
from workbench.protocol.events import Event, Inspected, SaddleFound
from workbench.protocol.inspections import RecordedInspection


class SaddleObserver(Protocol):
    """Called in the engine's thread; what it returns is told in that order."""

    def recorded(
        self, rows: Mapping[str, Array], saddles: Sequence[SaddleFound]
    ) -> Sequence[Event]:
        """New records (T, …) and the saddles seen in them: these and what follows, by rising step."""
        ...

    def asked(self, inspection: RecordedInspection) -> Sequence[Event]:
        """Somebody asks to keep an inspection."""
        ...

    def perturbed(self, step: int) -> Sequence[Event]:
        """θ was moved by hand at `step`."""
        ...


class NoObserver:
    """Passes everything on and adds nothing."""

    def recorded(
        self, rows: Mapping[str, Array], saddles: Sequence[SaddleFound]
    ) -> Sequence[Event]:
        """The saddles."""
        del rows
        return saddles

    def asked(self, inspection: RecordedInspection) -> Sequence[Event]:
        """The inspection."""
        return [Inspected(inspection.step, inspection)]

    def perturbed(self, step: int) -> Sequence[Event]:
        """Nothing."""
        del step
        return []
