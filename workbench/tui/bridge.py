"""The one place where the engine's events become Textual messages.

Records are not forwarded: they are polled from the history, as a message for each would flood the
screen and slow the training it watches.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message

from workbench.protocol.events import Event, Recorded
from workbench.tui.messages import EngineTold


class Bridge:
    """A viewer of the engine, called in its thread; posting a message is safe from there."""

    def __init__(self, post: Callable[[Message], bool]) -> None:
        self.post = post

    def __call__(self, event: Event) -> None:
        """Forward all but records."""
        if not isinstance(event, Recorded):
            self.post(EngineTold())
