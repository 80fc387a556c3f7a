"""What reaches screens from other threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from workbench.protocol.events import Event
    from workbench.run.session import Session


class EngineTold(Message):
    """The engine did something worth a redraw: paused, checkpointed, finished, failed."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class SessionReady(Message):
    """A session was made in a worker and can be started."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session


class SessionRefused(Message):
    """A session could not be made."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
