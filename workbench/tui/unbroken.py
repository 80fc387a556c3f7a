"""An error of a screen is said and written down, and the screen goes on: a run must not end by it.

What a widget cannot draw is a line in its place (`widgets/painted.py`). A handler that raises would
break Textual's loop of that screen or widget, and with it the app: `Unbroken` stands before it. What
gets past both ends the drawing, and `app.run_app` then stops the run with a checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events

if TYPE_CHECKING:
    from textual.app import App
    from textual.message import Message


def contained(app: App[Any], error: Exception, where: str) -> bool:
    """Whether the app takes note of the error and goes on; a test wants it raised."""
    stumble = getattr(app, "stumble", None)
    return stumble is not None and bool(stumble(error, where))


class Unbroken:
    """Mixed in before a Screen, Widget or App: its message handlers and actions may fail."""

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)  # type: ignore[misc]
        except Exception as error:
            # Without what these make there is nothing to go on with.
            making = isinstance(message, events.Compose | events.Mount)
            where = type(self).__name__
            if making or not contained(self.app, error, where):  # type: ignore[attr-defined]
                raise
