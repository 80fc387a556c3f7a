"""What reaches screens from other threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from workbench.run.session import Session


class EngineTold(Message):
    """The engine did something worth a redraw: paused, checkpointed, finished, failed.

    What it was is in the session; of many that wait one is enough.
    """

    def can_replace(self, message: Message) -> bool:
        """Whether one of both may go: compiled steps can write hundreds of checkpoints a second."""
        return isinstance(message, EngineTold)


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
